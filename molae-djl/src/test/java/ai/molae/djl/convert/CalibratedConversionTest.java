package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.ExpertStatistics;
import ai.molae.djl.convert.calibrate.InnerMoments;
import ai.molae.djl.convert.calibrate.MomentSettings;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Conversions that know some text: what they gain, and what becomes of experts that no token chose. */
class CalibratedConversionTest {

    private static final List<int[]> WINDOWS = SmallMoe.windows(8, 32, 1);

    @TempDir
    private Path folder;

    private Path source;
    private int converted;

    @BeforeEach
    void save() throws IOException {
        // Coordinates of tokens differ in size, as they do in models that were trained.
        source = SmallMoe.save(SmallMoe.spec(SmallMoe.MOE), folder.resolve("moe"), 3, (parameter, shape, values) -> {
            if (parameter.endsWith("post_attention_layernorm")) {
                for (int j = 0; j < values.length; j++) {
                    values[j] *= (float) Math.exp(-0.2 * j);
                }
            }
        });
    }

    private Calibration calibrate(MomentSettings settings) throws IOException {
        return SmallMoe.calibrate(source, folder.resolve("calibration"), WINDOWS, settings);
    }

    private Path target() {
        return folder.resolve("molae-" + converted);
    }

    private ConversionReport convert(ConversionMethod.Builder method, Calibration calibration) throws IOException {
        converted++;
        return SmallMoe.converter(source, target(), method.build())
                .optCalibration(calibration)
                .optText(WINDOWS)
                .build()
                .convert();
    }

    private static ConversionMethod.Builder method(Weighting weighting) {
        return SmallMoe.method(SmallMoe.rank(6), 4).optWeighting(weighting);
    }

    private static double outputError(ConversionReport report, int layer) {
        return report.layers().get(layer).outputError().orElseThrow();
    }

    @ParameterizedTest
    @CsvSource({"ACTIVATIONS, NONE", "SENSITIVITY, DIAGONAL", "SENSITIVITY, FULL"})
    void momentsLowerTheErrorOfTheOutput(Weighting weighting, InnerMoments inner) throws IOException {
        Calibration calibration = calibrate(new MomentSettings(false, inner));
        ConversionReport plain = convert(method(Weighting.NONE), calibration);

        ConversionReport weighted = convert(method(weighting), calibration);

        assertThat(outputError(weighted, 0)).isLessThan(0.95 * outputError(plain, 0));
        assertThat(outputError(weighted, 1)).isLessThan(0.95 * outputError(plain, 1));
        for (int i = 0; i < 2; i++) {
            Map<ExpertOperator, OperatorError> before = plain.layers().get(i).errors();
            weighted.layers().get(i).errors().forEach((operator, error) -> {
                assertThat(error.relativeError())
                        .isGreaterThan(before.get(operator).relativeError());
                assertThat(error.weightedError().orElseThrow()).isBetween(0.0, 1.0);
                assertThat(before.get(operator).weightedError()).isEmpty();
            });
        }
    }

    @Test
    void scalesLowerTheErrorOfTheOutputWithoutText() throws IOException {
        Calibration calibration = calibrate(MomentSettings.LEAST);

        assertThat(outputError(convert(method(Weighting.SCALES), calibration), 0))
                .isLessThan(outputError(convert(method(Weighting.NONE), calibration), 0));
    }

    @Test
    void sweepsOverEachExpertsInputsLowerTheErrorOfTheOutput() throws IOException {
        Calibration calibration = calibrate(new MomentSettings(true, InnerMoments.NONE));
        ConversionReport closed = convert(method(Weighting.ACTIVATIONS), calibration);

        ConversionReport swept = convert(method(Weighting.ACTIVATIONS).optAlternatingSweeps(5), calibration);

        Map<ExpertOperator, float[]> before = SmallMoe.experts(source, 0);
        Map<ExpertOperator, float[]> after = SmallMoe.experts(target(), 0);
        assertThat(after.get(ExpertOperator.GATE)).isNotEqualTo(before.get(ExpertOperator.GATE));
        assertThat(outputError(swept, 0)).isLessThan(outputError(closed, 0));
        assertThat(swept.layers().get(0).errors().get(ExpertOperator.DOWN).relativeError())
                .as("down has a closed form")
                .isEqualTo(
                        closed.layers().get(0).errors().get(ExpertOperator.DOWN).relativeError());
        assertThat(swept.layers().get(0).errors().values())
                .as("the norm is one of each expert's own")
                .allSatisfy(error -> assertThat(error.weightedError()).isEmpty());
    }

    @Test
    void refinementFollowsTheWeightedNorm() throws IOException {
        Calibration calibration = calibrate(MomentSettings.LEAST);
        ConversionReport closed = convert(method(Weighting.ACTIVATIONS), calibration);

        ConversionReport refined = convert(method(Weighting.ACTIVATIONS).optRefinementSteps(5), calibration);

        refined.layers().get(0).errors().forEach((operator, error) -> assertThat(
                        error.weightedError().orElseThrow())
                .isLessThanOrEqualTo(1.0001
                        * closed.layers()
                                .get(0)
                                .errors()
                                .get(operator)
                                .weightedError()
                                .orElseThrow()));
    }

    @Test
    void distillationLowersTheErrorOfTheOutput() throws IOException {
        Calibration calibration = calibrate(MomentSettings.LEAST);
        ConversionReport closed = convert(method(Weighting.NONE), calibration);

        ConversionReport distilled =
                convert(method(Weighting.NONE).optDistillation(new DistillationSpec(40, 64, 0.02)), calibration);

        assertThat(outputError(distilled, 0)).isLessThan(0.9 * outputError(closed, 0));
        // Frobenius is what the closed form minimises: whoever goes elsewhere is further away, and says so.
        distilled.layers().get(0).errors().forEach((operator, error) -> assertThat(error.relativeError())
                .isGreaterThan(
                        1.0001 * closed.layers().get(0).errors().get(operator).relativeError()));
    }

    @ParameterizedTest
    @CsvSource({"FREQUENCY, 0", "ACTIVATIONS, 0", "SENSITIVITY, 0", "ACTIVATIONS, 3"})
    void expertsWithoutTokensAreConvertedToo(Weighting weighting, int sweeps) throws IOException {
        Calibration calibration = SmallMoe.calibrate(
                source,
                folder.resolve("calibration"),
                List.of(new int[] {1, 2, 3}),
                new MomentSettings(sweeps > 0, InnerMoments.FULL));
        long[] counts = calibration.layer(0).statistics().counts();
        assertThat(LongStream.of(counts).filter(count -> count == 0).count())
                .as("experts that none of 3 tokens chose")
                .isBetween(2L, 6L);

        convert(method(weighting).optAlternatingSweeps(sweeps), calibration);

        Map<ExpertOperator, float[]> before = SmallMoe.experts(source, 0);
        SmallMoe.experts(target(), 0).forEach((operator, after) -> {
            for (int expert = 0; expert < 8; expert++) {
                float[] was = part(before.get(operator), expert);
                float[] is = part(after, expert);
                float[] difference = new float[was.length];
                for (int i = 0; i < was.length; i++) {
                    difference[i] = is[i] - was[i];
                }
                boolean inputs = weighting != Weighting.FREQUENCY && operator != ExpertOperator.DOWN;
                assertThat(SmallMoe.energy(is)).isFinite();
                if (sweeps == 0) {
                    assertThat(inputs ? onInputs(calibration, difference) : SmallMoe.energy(difference))
                            .as(operator + " of " + expert + ", " + counts[expert]
                                    + " tokens: the error of no matrix at all")
                            .isLessThan(inputs ? onInputs(calibration, was) : SmallMoe.energy(was));
                }
            }
        });
    }

    /** {@code tr(D C Dᵀ)} with the moments of the first layer's inputs, shrunk. */
    private static double onInputs(Calibration calibration, float[] d) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            double[] c = calibration.layer(0).input(manager).toDoubleArray();
            double trace = 0;
            for (int j = 0; j < 16; j++) {
                trace += c[j * 17];
            }
            double sum = 0;
            for (int row = 0; row < d.length; row += 16) {
                for (int i = 0; i < 16; i++) {
                    for (int j = 0; j < 16; j++) {
                        double shrunk = 0.99 * c[i * 16 + j] + (i == j ? 0.01 * trace / 16 : 0);
                        sum += d[row + i] * shrunk * d[row + j];
                    }
                }
            }
            return sum;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static float[] part(float[] all, int expert) {
        int size = all.length / 8;
        return java.util.Arrays.copyOfRange(all, expert * size, (expert + 1) * size);
    }

    @Test
    void withoutShrinkageTooFewTokensAreSaidToBeSo() throws IOException {
        Calibration calibration = SmallMoe.calibrate(
                source, folder.resolve("calibration"), List.of(new int[] {1, 2, 3}), MomentSettings.LEAST);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> convert(method(Weighting.ACTIVATIONS).optShrinkage(0), calibration))
                .withMessageContainingAll("layer 0", "not positive definite", "more tokens", "shrinkage");
    }

    @Test
    void groupsByCoActivationMeetFewerProjections() throws IOException {
        Calibration calibration = calibrate(MomentSettings.LEAST);

        ConversionReport report = convert(
                ConversionMethod.builder()
                        .setRanks(SmallMoe.rank(6))
                        .optGroups(new GroupPolicy(GroupPolicy.Kind.CO_ACTIVATION, 2, true)),
                calibration);

        for (LayerConversion layer : report.layers()) {
            ExpertStatistics statistics = calibration.layer(layer.layer()).statistics();
            ExpertGroups groups = layer.after().expertGroups();
            assertThat(groups.sizes()).containsOnly(2);
            assertThat(inside(statistics, groups)).isGreaterThan(inside(statistics, ExpertGroups.contiguous(8, 2)));
        }
    }

    /** Tokens that chose two experts of one group. */
    private static long inside(ExpertStatistics statistics, ExpertGroups groups) {
        long sum = 0;
        for (int i = 0; i < groups.numExperts(); i++) {
            for (int j = 0; j < i; j++) {
                sum += groups.groupOf(i) == groups.groupOf(j) ? statistics.coActivation()[i][j] : 0;
            }
        }
        return sum;
    }

    @Test
    void tiedAndUnequalGroupsGoWithMomentsToo() throws IOException {
        Calibration calibration = calibrate(new MomentSettings(true, InnerMoments.DIAGONAL));

        ConversionReport report = convert(
                ConversionMethod.builder()
                        .setRanks(SmallMoe.rank(6))
                        .optTiedGateUp(true)
                        .optGroups(new GroupPolicy(GroupPolicy.Kind.SUBSPACE, 3, false))
                        .optWeighting(Weighting.SENSITIVITY)
                        .optAlternatingSweeps(1),
                calibration);

        MoeSpec after = report.layers().get(0).after();
        assertThat(after.expertGroups().numGroups()).isEqualTo(3);
        assertThat(after.latent().orElseThrow().tiedGateUp()).isTrue();
        assertThat(outputError(report, 0)).isLessThan(1);
    }
}
