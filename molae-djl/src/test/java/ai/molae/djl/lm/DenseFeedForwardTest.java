package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.Activation;
import ai.molae.spec.DenseSpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class DenseFeedForwardTest {

    @ParameterizedTest
    @EnumSource(Activation.class)
    void gatesWithEveryActivation(Activation activation) {
        check(new DenseSpec(6, 5, activation, true));
    }

    @ParameterizedTest
    @EnumSource(Activation.class)
    void worksWithoutGate(Activation activation) {
        check(new DenseSpec(6, 5, activation, false));
    }

    private static void check(DenseSpec spec) {
        try (NDManager manager = NDManager.newBaseManager()) {
            DenseFeedForward block = LmFixture.initialized(
                    new DenseFeedForward(spec, Precision.FLOAT32, 0.02), manager, 5, new Shape(2, 3, 6));
            double[][] x = LmFixture.random(6, 6, 6);

            NDArray y =
                    LmFixture.infer(block, LmFixture.array(manager, x, 2, 3, 6)).singletonOrThrow();

            assertThat(y.getShape()).isEqualTo(new Shape(2, 3, 6));
            assertThat(LmFixture.doubles(y))
                    .containsExactly(
                            LmFixture.flat(ReferenceLm.feedForward(spec, x, LmFixture.values(block))), within(1e-5));
        }
    }

    @ParameterizedTest
    @CsvSource({"true, gate_up, 10", "false, up, 5"})
    void fusesGateAboveUp(boolean gated, String name, long rows) {
        DenseFeedForward block =
                new DenseFeedForward(new DenseSpec(6, 5, Activation.SILU, gated), Precision.FLOAT32, 0.02);
        assertThat(block.getParameters().keys()).containsExactly(name, "down");
        assertThat(block.getParameters().get(name).getShape()).isEqualTo(new Shape(rows, 6));
    }

    @Test
    void isCloseToFloat32InBfloat16() {
        DenseSpec spec = DenseSpec.swiglu(6, 5);
        try (NDManager manager = NDManager.newBaseManager()) {
            NDArray x = LmFixture.array(manager, LmFixture.random(6, 6, 6), 6, 6);
            NDArray exact = LmFixture.infer(
                            LmFixture.initialized(
                                    new DenseFeedForward(spec, Precision.FLOAT32, 0.02), manager, 5, x.getShape()),
                            x)
                    .head();
            NDArray rounded = LmFixture.infer(
                            LmFixture.initialized(
                                    new DenseFeedForward(spec, Precision.BFLOAT16, 0.02), manager, 5, x.getShape()),
                            x)
                    .head();
            assertThat(LmFixture.doubles(rounded)).isNotEqualTo(LmFixture.doubles(exact));
            assertThat(LmFixture.doubles(rounded)).containsExactly(LmFixture.doubles(exact), within(0.05));
        }
    }
}
