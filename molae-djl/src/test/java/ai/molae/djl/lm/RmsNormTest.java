package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import org.junit.jupiter.api.Test;

class RmsNormTest {

    private static final double EPS = 0.01;

    @Test
    void dividesByTheRootMeanSquareAndMultipliesByTheWeight() {
        try (NDManager manager = NDManager.newBaseManager()) {
            RmsNorm norm = LmFixture.initialized(new RmsNorm(5, EPS), manager, 3, new Shape(2, 3, 5));
            double[][] x = LmFixture.random(6, 5, 4);

            NDArray y =
                    LmFixture.infer(norm, LmFixture.array(manager, x, 2, 3, 5)).singletonOrThrow();

            double[] weight = LmFixture.values(norm).get("weight");
            assertThat(y.getShape()).isEqualTo(new Shape(2, 3, 5));
            assertThat(LmFixture.doubles(y))
                    .containsExactly(LmFixture.flat(ReferenceLm.rmsNorm(x, weight, EPS)), within(1e-6));
        }
    }

    @Test
    void startsWithWeightOneOfTypeGamma() {
        try (NDManager manager = NDManager.newBaseManager()) {
            RmsNorm norm = new RmsNorm(3, EPS);
            norm.initialize(manager, DataType.FLOAT32, new Shape(1, 3));
            Parameter weight = norm.getParameters().get("weight");
            assertThat(weight.getType()).isEqualTo(Parameter.Type.GAMMA);
            assertThat(weight.getArray().toFloatArray()).containsExactly(1, 1, 1);
        }
    }

    @Test
    void refusesAnotherWidthWithBothNumbers() {
        try (NDManager manager = NDManager.newBaseManager()) {
            assertThatThrownBy(() -> new RmsNorm(5, EPS).initialize(manager, DataType.FLOAT32, new Shape(2, 4)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("RmsNorm reads [..., size = 5], got (2, 4)");
        }
    }
}
