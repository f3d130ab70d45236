package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchArguments;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AttentionTest {

    private static final int TOKENS = 7;

    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private static double[][] x(int sequence) {
        return LmFixture.random(TOKENS, AttentionCase.WIDTH, 2 + sequence);
    }

    private NDArray batch(int sequences) {
        double[][] rows = new double[sequences * TOKENS][];
        for (int b = 0; b < sequences; b++) {
            System.arraycopy(x(b), 0, rows, b * TOKENS, TOKENS);
        }
        return LmFixture.array(manager, rows, sequences, TOKENS, AttentionCase.WIDTH);
    }

    private NDArray mask(boolean[]... visible) {
        float[] flat = new float[visible.length * TOKENS];
        for (int i = 0; i < flat.length; i++) {
            flat[i] = visible[i / TOKENS][i % TOKENS] ? 1 : 0;
        }
        return manager.create(flat, new Shape(visible.length, TOKENS));
    }

    private static boolean[] visible(int from, int to) {
        boolean[] visible = new boolean[TOKENS];
        Arrays.fill(visible, from, to, true);
        return visible;
    }

    private static double[] row(NDArray y, int sequence, int position) {
        return LmFixture.doubles(y.get(sequence + ", " + position));
    }

    @ParameterizedTest
    @EnumSource(AttentionCase.class)
    void equalsTheReference(AttentionCase attention) {
        Attention block = attention.block(manager, Precision.FLOAT32);
        NDArray y = attention.forward(block, batch(2), TorchArguments.absent());
        double[][][] expected = {
            attention.reference(block, x(0), visible(0, TOKENS)), attention.reference(block, x(1), visible(0, TOKENS))
        };
        assertThat(LmFixture.doubles(y)).containsExactly(LmFixture.flat(expected), within(2e-5));
    }

    @ParameterizedTest
    @EnumSource(AttentionCase.class)
    void leavesPaddingOutAndStaysFinite(AttentionCase attention) {
        Attention block = attention.block(manager, Precision.FLOAT32);
        boolean[][] visible = {visible(0, 4), visible(2, 7), visible(0, 7), visible(0, 0), visible(6, 7), visible(2, 6)
        };
        NDArray y = attention.forward(block, batch(visible.length), mask(visible));
        assertThat(Arrays.stream(LmFixture.doubles(y))).allMatch(Double::isFinite);
        for (int b = 0; b < visible.length; b++) {
            double[][] expected = attention.reference(block, x(b), visible[b]);
            for (int s = 0; s < TOKENS; s++) {
                if (visible[b][s]) {
                    assertThat(row(y, b, s)).as("%d, %d", b, s).containsExactly(expected[s], within(2e-5));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(AttentionCase.class)
    void givesAPaddedSequenceWhatItGetsAlone(AttentionCase attention) {
        Attention block = attention.block(manager, Precision.FLOAT32);
        NDArray x = batch(2);
        NDArray y = attention.forward(block, x, mask(visible(2, 7), visible(0, 5)));
        NDArray left = attention.forward(block, x.get("0:1, 2:7"), TorchArguments.absent());
        NDArray right = attention.forward(block, x.get("1:2, 0:5"), TorchArguments.absent());
        assertThat(y.get("0, 2:7").toFloatArray()).containsExactly(left.toFloatArray(), within(1e-5f));
        assertThat(y.get("1, 0:5").toFloatArray()).containsExactly(right.toFloatArray(), within(1e-5f));
    }

    /** Central differences of the reference, of every weight and of x; the loss is a random weighting of what is no padding. */
    @ParameterizedTest
    @EnumSource(AttentionCase.class)
    void hasTheGradientsOfTheReference(AttentionCase attention) {
        Attention block = attention.block(manager, Precision.FLOAT32);
        boolean[] visible = visible(2, 6);
        double[][] weights = LmFixture.random(TOKENS, AttentionCase.WIDTH, 9);
        for (int s = 0; s < TOKENS; s++) {
            weights[s] = visible[s] ? weights[s] : new double[AttentionCase.WIDTH];
        }
        NDArray x = batch(1);
        x.setRequiresGradient(true);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            NDArray y = AttentionCase.forward(block, attention.spec(), x, mask(visible), true);
            collector.backward(y.mul(LmFixture.array(manager, weights, 1, TOKENS, AttentionCase.WIDTH))
                    .sum());
        }
        Map<String, double[]> gradients = LmFixture.gradients(block);
        gradients.put("x", LmFixture.doubles(x.getGradient()));

        Map<String, double[]> parameters = LmFixture.values(block);
        double[] flatX = LmFixture.flat(x(0));
        parameters.put("x", flatX);
        assertThat(gradients.keySet()).isEqualTo(parameters.keySet());
        parameters.forEach((name, values) -> {
            double[] expected = new double[values.length];
            for (int i = 0; i < values.length; i++) {
                double value = values[i];
                values[i] = value + 1e-5;
                double above = loss(attention, parameters, visible, weights);
                values[i] = value - 1e-5;
                double below = loss(attention, parameters, visible, weights);
                values[i] = value;
                expected[i] = (above - below) / 2e-5;
            }
            assertThat(gradients.get(name)).as(name).containsExactly(expected, within(2e-4));
        });
        assertThat(Arrays.stream(gradients.get("o_proj")).map(Math::abs).max().orElseThrow())
                .isGreaterThan(0.1);
    }

    private static double loss(
            AttentionCase attention, Map<String, double[]> parameters, boolean[] visible, double[][] weights) {
        double[][] x = new double[TOKENS][];
        for (int s = 0; s < TOKENS; s++) {
            x[s] = Arrays.copyOfRange(parameters.get("x"), s * AttentionCase.WIDTH, (s + 1) * AttentionCase.WIDTH);
        }
        double[][] y = attention.reference(parameters, x, visible);
        double sum = 0;
        for (int s = 0; s < TOKENS; s++) {
            for (int i = 0; i < y[s].length; i++) {
                sum += y[s][i] * weights[s][i];
            }
        }
        return sum;
    }

    @ParameterizedTest
    @EnumSource(AttentionCase.class)
    void isCloseToFloat32InBfloat16(AttentionCase attention) {
        NDArray mask = mask(visible(2, 7), visible(0, 7));
        double[] exact =
                LmFixture.doubles(attention.forward(attention.block(manager, Precision.FLOAT32), batch(2), mask));
        double[] rounded =
                LmFixture.doubles(attention.forward(attention.block(manager, Precision.BFLOAT16), batch(2), mask));
        assertThat(rounded).isNotEqualTo(exact);
        assertThat(LmFixture.relativeDistance(rounded, exact)).isLessThan(0.02);
    }
}
