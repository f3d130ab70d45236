package ai.molae.djl.convert.factor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.TorchArguments;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class LinearAlgebraTest {

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    /** Of n numbers falling like 1/√j, in random directions. */
    private NDArray gram(int n) {
        manager.getEngine().setRandomSeed(1);
        NDArray scales =
                manager.arange(1f, n + 1f).toType(DataType.FLOAT64, false).pow(-0.5);
        NDArray x = manager.randomNormal(new Shape(2L * n, n))
                .toType(DataType.FLOAT64, false)
                .mul(scales);
        NDArray gram = LinearAlgebra.zeros(manager, n);
        LinearAlgebra.addGram(x, TorchArguments.absent(), gram);
        return gram;
    }

    @Test
    void iterationFindsTheLeadingVectorsOfLargeMatrices() {
        NDArray gram = gram(1024);

        LinearAlgebra.Eigen leading = LinearAlgebra.leading(gram, 24);

        double[] all = LinearAlgebra.eigenvalues(gram);
        double kept = 0;
        for (int j = 0; j < 24; j++) {
            kept += all[j];
        }
        NDArray v = leading.vectors();
        double captured = LinearAlgebra.trace(v.matMul(gram).matMul(v.transpose()));
        assertThat(v.getShape()).isEqualTo(new Shape(24, 1024));
        assertThat(captured / kept).isCloseTo(1, within(1e-6));
        assertThat(leading.values()).as("not all were computed").hasSizeLessThan(1024);
    }

    @Test
    void momentsOfTooFewTokensNeedShrinkage() {
        NDArray singular = manager.ones(new Shape(4, 4), DataType.FLOAT64);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> LinearAlgebra.root(singular))
                .withMessageContainingAll("not positive definite", "shrinkage");
    }
}
