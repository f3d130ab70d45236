package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.training.GradientCollector;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TorchOpsTest {

    private static final TorchOps OPS = new TorchOps(TorchOpsTest.class, "arithmetic.py");

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void callsMethodsWithTensorsIntsAndLists() {
        NDArray x = manager.create(new float[] {2, 4});
        NDArray y = manager.create(new float[] {10, 20});
        NDList both = OPS.call("sum_and_product", x, y);
        assertThat(both.get(0).toFloatArray()).containsExactly(12, 24);
        assertThat(both.get(1).toFloatArray()).containsExactly(20, 80);
        NDArray second = manager.create(new float[] {1, 1});
        assertThat(OPS.call("scale", x, manager.create(new long[] {3, 4}))
                        .singletonOrThrow()
                        .toFloatArray())
                .containsExactly(1.5f, 3);
        y.setName("others[]");
        second.setName("others[]");
        assertThat(OPS.call("total", x, y, second).singletonOrThrow().toFloatArray())
                .containsExactly(13, 25);
    }

    @Test
    void hasTheOperatorSemanticsOfTheArchiveVersion() {
        // with archive version 3 the quotient of two int64 tensors, 3 / 2, would be 1
        NDArray x = manager.create(new float[] {2, 4});
        assertThat(OPS.call("divide", x, manager.create(new long[] {3, 2}))
                        .singletonOrThrow()
                        .toFloatArray())
                .containsExactly(3, 6);
    }

    @Test
    void autogradFlowsThrough() {
        NDArray x = manager.create(new float[] {2, 4});
        NDArray y = manager.create(new float[] {10, 20});
        x.setRequiresGradient(true);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            collector.backward(OPS.call("sum_and_product", x, y).get(1).sum());
        }
        assertThat(x.getGradient().toFloatArray()).containsExactly(10, 20);
    }

    @Test
    void resultsBelongToTheManagerOfTheFirstInput() {
        try (NDManager other = NDManager.newBaseManager()) {
            NDList both = OPS.call("sum_and_product", manager.create(new float[] {2}), other.create(new float[] {10}));
            assertThat(both).allSatisfy(array -> assertThat(array.getManager()).isSameAs(manager));
            assertThat(other.getManagedArrays()).hasSize(1);
        }
    }

    @Test
    void survivesAFirstCallInsideAnNDScope() {
        TorchOps fresh = new TorchOps(TorchOpsTest.class, "arithmetic.py");
        try (NDScope scope = new NDScope()) {
            fresh.call("divide", manager.create(new float[] {2}), manager.create(new long[] {3, 2}));
        }
        assertThat(fresh.call("divide", manager.create(new float[] {2}), manager.create(new long[] {3, 2}))
                        .singletonOrThrow()
                        .toFloatArray())
                .containsExactly(3);
    }

    @Test
    void namesAnUnknownMethod() {
        assertThatThrownBy(() -> OPS.call("no_such_method", manager.create(1f)))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("no_such_method");
    }

    @Test
    void namesAScriptThatDoesNotCompile() {
        TorchOps broken = new TorchOps(TorchOpsTest.class, "broken.py");
        assertThatIllegalStateException()
                .isThrownBy(() -> broken.call("twice", manager.create(1f)))
                .withMessageContaining("broken.py")
                .withStackTraceContaining("no_such_operator");
    }

    @Test
    void namesAMissingScript() {
        TorchOps missing = new TorchOps(TorchOpsTest.class, "missing.py");
        assertThatIllegalStateException()
                .isThrownBy(() -> missing.call("twice", manager.create(1f)))
                .withMessageContainingAll("missing.py", TorchOpsTest.class.getName());
    }

    @Test
    void archiveIsTheSameBytesForTheSameSource() {
        byte[] archive = TorchArchive.of("  def f(self, x: Tensor) -> Tensor:\n    return x\n");
        assertThat(archive).startsWith('P', 'K');
        assertThat(new String(archive, StandardCharsets.ISO_8859_1))
                .contains("molae/code/__torch__.py", "class Molae(Module)", "def f(self, x: Tensor)");
    }
}
