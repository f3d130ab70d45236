package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.djl.hf.GoldenCase;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ConverterTest {

    @TempDir
    Path folder;

    /** The largest ranks that groups of two can have: the factors then are the matrices. */
    private static ConversionMethod fullRank(Path source) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            MoeSpec moe = checkpoint.spec().feedForwards().stream()
                    .filter(MoeSpec.class::isInstance)
                    .map(MoeSpec.class::cast)
                    .findFirst()
                    .orElseThrow();
            Map<ExpertOperator, Integer> ranks = new EnumMap<>(ExpertOperator.class);
            for (ExpertOperator operator : ExpertOperator.values()) {
                ranks.put(operator, Math.min(moe.hiddenSize(), 2 * moe.intermediateSize()));
            }
            return ConversionMethod.builder()
                    .setRanks(new RankPolicy.Fixed(ranks))
                    .optGroups(GroupPolicy.contiguous(2))
                    .build();
        }
    }

    private Converter.Builder converter(Path source) {
        return Converter.builder().setSource(source).setTarget(folder.resolve("molae"));
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenCase#allNames")
    void everyFamilyIsTheSameModelAtFullRank(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);

        ConversionReport report = converter(golden.folder())
                .setMethod(fullRank(golden.folder()))
                .optType(TensorType.F32)
                .build()
                .convert();

        assertThat(report.layers()).isNotEmpty().allSatisfy(layer -> assertThat(layer.errors())
                .isNotEmpty()
                .allSatisfy(
                        (operator, error) -> assertThat(error.relativeError()).isLessThan(1e-6)));
        try (Checkpoint converted = Checkpoint.open(folder.resolve("molae"))) {
            assertThat(converted.spec()).isEqualTo(report.after()).isNotEqualTo(report.before());
        }
        float[] before = Logits.of(golden.folder(), golden.inputIds());
        float[] after = Logits.of(folder.resolve("molae"), golden.inputIds());
        assertThat(Logits.largestDifference(before, after)).isLessThan(1e-4);
        assertThat(CheckpointDraft.folderOf(folder.resolve("molae"))).doesNotExist();
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenCase#allNames")
    void everyFamilyIsTheSameModelMultipliedOut(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);

        converter(golden.folder())
                .setMethod(fullRank(golden.folder()))
                .optType(TensorType.F32)
                .optMultipliedOut()
                .build()
                .convert();

        try (Checkpoint converted = Checkpoint.open(folder.resolve("molae"));
                Checkpoint original = Checkpoint.open(golden.folder())) {
            assertThat(converted.spec()).isEqualTo(original.spec());
        }
        assertThat(Logits.largestDifference(
                        Logits.of(golden.folder(), golden.inputIds()),
                        Logits.of(folder.resolve("molae"), golden.inputIds())))
                .isLessThan(1e-4);
        assertThat(folder).isDirectoryNotContaining(file -> !file.endsWith("molae"));
    }

    @Test
    void whereGateAndUpAreNotFactoredThereIsNothingToTie() throws IOException {
        Path source = SmallMoe.save(folder.resolve("moe"), 1);
        Converter converter = converter(source)
                .setMethod(SmallMoe.method(new RankPolicy.Uniform(0.9), 4)
                        .optOperators(EnumSet.of(ExpertOperator.DOWN))
                        .optTiedGateUp(true)
                        .build())
                .build();

        assertThat(converter.spectrum().spectra())
                .extracting(OperatorSpectrum::operator)
                .containsOnly(ExpertOperator.DOWN);
        assertThat(converter.convert().layers()).allSatisfy(layer -> assertThat(
                        layer.after().latent().orElseThrow().tiedGateUp())
                .isFalse());
    }
}
