package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.QkNorm;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GroupedQueryAttentionTest {

    private static GroupedQueryAttention block(GroupedQueryAttentionSpec spec, Precision precision) {
        return new GroupedQueryAttention(spec, 10, 0.01, 0.02, Integer.MAX_VALUE, precision);
    }

    @ParameterizedTest(name = "{0} heads on {1}, norm {2}, bias {3}, {4} tokens")
    @CsvSource({
        "4, 4, NONE, false, 5",
        "4, 2, NONE, false, 5",
        "4, 1, NONE, false, 5",
        "4, 2, NONE, true, 5",
        "4, 2, PER_HEAD, false, 5",
        "4, 2, FULL, false, 5",
        "6, 2, FULL, true, 7",
        "6, 3, PER_HEAD, true, 1",
        "1, 1, NONE, false, 2",
    })
    void equalsTheReference(int heads, int keyValueHeads, QkNorm norm, boolean bias, int tokens) {
        GroupedQueryAttentionSpec spec = new GroupedQueryAttentionSpec(heads, keyValueHeads, 6, 50, bias, norm);
        try (NDManager manager = NDManager.newBaseManager()) {
            GroupedQueryAttention block =
                    LmFixture.initialized(block(spec, Precision.FLOAT32), manager, 1, new Shape(2, tokens, 10));
            double[][] x = LmFixture.random(2 * tokens, 10, 2);

            NDArray y = LmFixture.infer(block, LmFixture.array(manager, x, 2, tokens, 10))
                    .singletonOrThrow();

            double[][][] expected = {
                reference(spec, block, Arrays.copyOf(x, tokens)),
                reference(spec, block, Arrays.copyOfRange(x, tokens, 2 * tokens))
            };
            assertThat(y.getShape()).isEqualTo(new Shape(2, tokens, 10));
            assertThat(LmFixture.doubles(y)).containsExactly(LmFixture.flat(expected), within(1e-5));
        }
    }

    private static double[][] reference(GroupedQueryAttentionSpec spec, GroupedQueryAttention block, double[][] x) {
        return ReferenceAttention.of(spec, Integer.MAX_VALUE, 0.01, LmFixture.values(block), x);
    }

    @Test
    void isCloseToFloat32InBfloat16() {
        GroupedQueryAttentionSpec spec = new GroupedQueryAttentionSpec(4, 2, 6, 50, true, QkNorm.PER_HEAD);
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray x = LmFixture.array(manager, LmFixture.random(10, 10, 2), 2, 5, 10);
            Map<Precision, double[]> results = new EnumMap<>(Precision.class);
            for (Precision precision : Precision.trainable()) {
                GroupedQueryAttention block = LmFixture.initialized(block(spec, precision), manager, 1, x.getShape());
                results.put(
                        precision, LmFixture.doubles(LmFixture.infer(block, x).head()));
            }
            double[] exact = results.get(Precision.FLOAT32);
            assertThat(results.get(Precision.BFLOAT16)).isNotEqualTo(exact).containsExactly(exact, within(0.1));
        }
    }

    @Test
    void namesAndTypesItsParametersForTheOptimizer() {
        GroupedQueryAttention block =
                block(new GroupedQueryAttentionSpec(4, 2, 6, 50, true, QkNorm.FULL), Precision.FLOAT32);
        assertThat(block.getParameters().keys())
                .containsExactly(
                        "q_proj",
                        "k_proj",
                        "v_proj",
                        "o_proj",
                        "q_proj_bias",
                        "k_proj_bias",
                        "v_proj_bias",
                        "q_norm",
                        "k_norm");
        assertThat(block.getParameters().values())
                .extracting(Parameter::getType)
                .containsExactly(
                        Parameter.Type.WEIGHT,
                        Parameter.Type.WEIGHT,
                        Parameter.Type.WEIGHT,
                        Parameter.Type.WEIGHT,
                        Parameter.Type.BIAS,
                        Parameter.Type.BIAS,
                        Parameter.Type.BIAS,
                        Parameter.Type.GAMMA,
                        Parameter.Type.GAMMA);
        assertThat(block.getParameters().values())
                .extracting(Parameter::getShape)
                .containsExactly(
                        new Shape(24, 10),
                        new Shape(12, 10),
                        new Shape(12, 10),
                        new Shape(10, 24),
                        new Shape(24),
                        new Shape(12),
                        new Shape(12),
                        new Shape(24),
                        new Shape(12));
    }

    @Test
    void refusesWhatIsNotASequenceOfItsWidth() {
        GroupedQueryAttention block = block(GroupedQueryAttentionSpec.of(2, 1, 4), Precision.FLOAT32);
        try (NDManager manager = NDManager.newBaseManager()) {
            assertThatThrownBy(() -> block.initialize(manager, DataType.FLOAT32, new Shape(2, 3, 9)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("GroupedQueryAttention reads [B, S, hiddenSize = 10], got (2, 3, 9)");
            assertThatThrownBy(() -> block.initialize(manager, DataType.FLOAT32, new Shape(3, 10)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("(3, 10)");
        }
    }
}
