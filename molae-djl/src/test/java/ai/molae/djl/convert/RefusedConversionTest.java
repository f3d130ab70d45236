package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.InnerMoments;
import ai.molae.djl.convert.calibrate.MomentSettings;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What cannot be converted is refused with what is wrong, and leaves nothing in the way of the next attempt. */
class RefusedConversionTest {

    private static final ConversionMethod METHOD =
            SmallMoe.method(SmallMoe.rank(6), 4).build();

    @TempDir
    private Path folder;

    private Path source;
    private Path target;

    @BeforeEach
    void paths() {
        source = folder.resolve("moe");
        target = folder.resolve("molae");
    }

    private void assertNothingIsLeft() {
        assertThat(target).doesNotExist();
        assertThat(CheckpointDraft.folderOf(target)).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource({
        "NaN, GATE, NONE, CONTIGUOUS",
        "Infinity, DOWN, NONE, CONTIGUOUS",
        "NaN, UP, NONE, SUBSPACE",
        "NaN, DOWN, SCALES, CONTIGUOUS",
        "-Infinity, UP, SCALES, CONTIGUOUS"
    })
    void weightsThatAreNotFiniteAreNamed(
            float value, ExpertOperator operator, Weighting weighting, GroupPolicy.Kind kind) throws IOException {
        SmallMoe.save(SmallMoe.spec(SmallMoe.MOE), source, 1, SmallMoe.broken(2, operator, 5, value));
        ConversionMethod method = ConversionMethod.builder()
                .setRanks(SmallMoe.rank(6))
                .optGroups(new GroupPolicy(kind, 4, true))
                .optWeighting(weighting)
                .build();
        for (Converter.Builder converter : List.of(
                SmallMoe.converter(source, target, method),
                SmallMoe.converter(source, target, method).optThreads(3))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> converter.build().convert())
                    .withMessageContainingAll("layer 2", operator.name(), "expert 5", "not finite");
        }
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> SmallMoe.converter(source, target, method).build().spectrum())
                .withMessageContainingAll("layer 2", operator.name(), "expert 5", "not finite");
        assertThat(target).doesNotExist();
    }

    @Test
    void aLatentSizeBeyondTheRankIsRefusedBeforeAnythingIsWritten() throws IOException {
        SmallMoe.save(source, 2);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> SmallMoe.converter(
                                source,
                                target,
                                SmallMoe.method(SmallMoe.rank(13), 1).build())
                        .build()
                        .convert())
                .withMessageContainingAll("layer 0", "is 13", "12 × 16", "rank 12");
        assertNothingIsLeft();

        // So nothing is in the way of another size.
        SmallMoe.converter(source, target, METHOD).build().convert();
        assertThat(target).exists();
    }

    @Test
    void aLatentSizeThatIsMissingIsNamed() throws IOException {
        SmallMoe.save(source, 2);
        ConversionMethod method = SmallMoe.method(new RankPolicy.Fixed(Map.of(ExpertOperator.UP, 4)), 4)
                .build();

        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> SmallMoe.converter(source, target, method).build().convert())
                .withMessageContainingAll("no latent size for GATE", "{UP=4}");
        assertNothingIsLeft();
    }

    @Test
    void aRatioThatLeavesNothingIsRefusedWithWhatItWouldTake() throws IOException {
        SmallMoe.save(source, 2);
        ConversionMethod downOnly = SmallMoe.method(new RankPolicy.Uniform(0.5), 4)
                .optOperators(java.util.Set.of(ExpertOperator.DOWN))
                .build();

        assertThatIllegalArgumentException()
                .isThrownBy(() ->
                        SmallMoe.converter(source, target, downOnly).build().convert())
                .withMessageContainingAll("layer 0", "0.500", "0.667", "2 groups", "[DOWN]");
        assertNothingIsLeft();
    }

    @Test
    void tooLittleMemoryIsRefusedInMegabytes() throws IOException {
        SmallMoe.save(source, 2);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> SmallMoe.converter(source, target, METHOD)
                        .optMemoryLimit(3 << 20)
                        .build()
                        .convert())
                .withMessageContainingAll("8 MB", "3 MB");
        assertNothingIsLeft();
    }

    @Test
    void distillationThatTakesTooMuchMemoryIsRefusedInMegabytes() throws IOException {
        SmallMoe.save(
                SmallMoe.spec(SmallMoe.MOE.toBuilder()
                        .setIntermediateSize(2000)
                        .setNumExperts(32)
                        .build()),
                source,
                2,
                (parameter, shape, values) -> {});

        ConversionMethod distilled = SmallMoe.method(SmallMoe.rank(6), 4)
                .optDistillation(new DistillationSpec(2, 8, 0.01))
                .build();

        assertThatIllegalArgumentException()
                .isThrownBy(() -> SmallMoe.converter(source, target, distilled)
                        .optText(SmallMoe.windows(2, 4, 1))
                        .optMemoryLimit(12 << 20)
                        .build()
                        .convert())
                .withMessageContainingAll("12 MB", "memory limit");
        assertThat(target).doesNotExist();
    }

    @Test
    void modelsWithoutMoeLayersAndThoseFactoredAlreadyAreRefused() throws IOException {
        ModelSpec dense = ModelSpec.builder()
                .setVocabSize(SmallMoe.VOCAB)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                .addLayers(2, DenseSpec.swiglu(16, 10))
                .build();
        SmallMoe.save(dense, source, 3, (parameter, shape, values) -> {});
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> SmallMoe.converter(source, target, METHOD).build().convert())
                .withMessageContainingAll("none of the 2 layers", source.toString(), "MoE");

        Path molae = folder.resolve("factored");
        LatentSpec latent =
                LatentSpec.builder().setLatentSize(4).setGroupSize(4).build();
        SmallMoe.save(SmallMoe.spec(SmallMoe.MOE.withLatent(latent)), molae, 4, (parameter, shape, values) -> {});
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> SmallMoe.converter(molae, target, METHOD).build().convert())
                .withMessageContainingAll("layer 0", molae.toString(), "factored already", "multiplied out");
        assertNothingIsLeft();
    }

    @Test
    void aTargetThatExistsStaysAsItIs() throws IOException {
        SmallMoe.save(source, 2);
        Files.createDirectories(target);
        Files.writeString(target.resolve("mine.txt"), "mine");

        assertThatThrownBy(
                        () -> SmallMoe.converter(source, target, METHOD).build().convert())
                .isInstanceOf(FileAlreadyExistsException.class)
                .hasMessageContainingAll(target.toString(), "exists already");
        assertThat(SmallMoe.bytes(target)).containsOnlyKeys("mine.txt");
        assertThat(CheckpointDraft.folderOf(target)).doesNotExist();
    }

    @Test
    void aCalibrationOfAnotherCheckpointIsRefused() throws IOException {
        SmallMoe.save(source, 2);
        Path other = SmallMoe.save(
                SmallMoe.spec(SmallMoe.MOE.toBuilder().setIntermediateSize(10).build()),
                folder.resolve("other"),
                2,
                (parameter, shape, values) -> {});
        Calibration calibration = SmallMoe.calibrate(
                other, folder.resolve("calibration"), SmallMoe.windows(2, 8, 1), MomentSettings.LEAST);
        ConversionMethod weighted = SmallMoe.method(SmallMoe.rank(6), 4)
                .optWeighting(Weighting.ACTIVATIONS)
                .build();

        assertThatIllegalArgumentException()
                .isThrownBy(() -> SmallMoe.converter(source, target, weighted)
                        .optCalibration(calibration)
                        .build()
                        .convert())
                .withMessageContainingAll(
                        "calibration is no calibration of " + source,
                        "config.json has other contents",
                        "calibrate this checkpoint");
        assertNothingIsLeft();
    }

    @Test
    void aMethodWithoutWhatItNeedsIsRefused() throws IOException {
        SmallMoe.save(source, 2);
        for (ConversionMethod.Builder needy : List.of(
                SmallMoe.method(SmallMoe.rank(6), 4).optWeighting(Weighting.FREQUENCY),
                SmallMoe.method(SmallMoe.rank(6), 4).optAlternatingSweeps(2),
                SmallMoe.method(SmallMoe.rank(6), 4)
                        .optGroups(new GroupPolicy(GroupPolicy.Kind.CO_ACTIVATION, 4, true)))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() ->
                            SmallMoe.converter(source, target, needy.build()).build())
                    .withMessageContaining("needs a calibration");
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SmallMoe.converter(
                                source,
                                target,
                                SmallMoe.method(SmallMoe.rank(6), 4)
                                        .optDistillation(new DistillationSpec(2, 8, 0.01))
                                        .build())
                        .build())
                .withMessageContaining("distils layers; use optText");
    }

    @Test
    void aCalibrationWithoutInnerMomentsOfGateAndUpIsNotEnoughForSensitivity() throws IOException {
        SmallMoe.save(source, 2);
        Calibration calibration = SmallMoe.calibrate(
                source,
                folder.resolve("calibration"),
                SmallMoe.windows(2, 8, 1),
                new MomentSettings(true, InnerMoments.NONE));
        ConversionMethod method = SmallMoe.method(SmallMoe.rank(6), 4)
                .optWeighting(Weighting.SENSITIVITY)
                .build();

        assertThatIllegalArgumentException()
                .isThrownBy(() -> SmallMoe.converter(source, target, method)
                        .optCalibration(calibration)
                        .build()
                        .convert())
                .withMessageContainingAll("layer 0", "no moments of GATE", "ACTIVATIONS");
        assertNothingIsLeft();
    }

    @Test
    void perExpertInputsThatWereNotCollectedAreNotEnoughForSweeps() throws IOException {
        SmallMoe.save(source, 2);
        Calibration calibration = SmallMoe.calibrate(
                source, folder.resolve("calibration"), SmallMoe.windows(2, 8, 1), MomentSettings.LEAST);
        ConversionMethod method = SmallMoe.method(SmallMoe.rank(6), 4)
                .optWeighting(Weighting.ACTIVATIONS)
                .optAlternatingSweeps(2)
                .build();

        assertThatIllegalArgumentException()
                .isThrownBy(() -> SmallMoe.converter(source, target, method)
                        .optCalibration(calibration)
                        .build()
                        .convert())
                .withMessageContainingAll("alternating sweeps", "inputs");
        assertNothingIsLeft();
    }
}
