package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.Initializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FreezingTest {

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final Linear linear = Linear.builder().setUnits(3).build();

    @BeforeEach
    void initialise() {
        linear.initialize(manager, DataType.FLOAT32, new Shape(2, 4));
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private Parameter parameter(String name) {
        return linear.getParameters().get(name);
    }

    private void backward() {
        try (NDManager scope = manager.newSubManager();
                GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            NDArray x = scope.arange(8f).reshape(2, 4);
            collector.backward(linear.forward(new ParameterStore(scope, false), new NDList(x), true)
                    .head()
                    .square()
                    .sum());
        }
    }

    private boolean hasGradient(String name) {
        try (PtNDArray gradient =
                JniUtils.getGradient((PtNDArray) parameter(name).getArray())) {
            return gradient != null;
        }
    }

    @Test
    void whatIsFrozenLosesItsGradientAndNothingElse() {
        backward();
        Initializer initializer = parameter("weight").getInitializer();
        float[] values = parameter("weight").getArray().toFloatArray();
        int arrays = manager.getManagedArrays().size();

        Freezing.train(linear, parameter -> parameter.getName().equals("bias"));

        assertThat(parameter("weight").requiresGradient()).isFalse();
        assertThat(parameter("weight").getArray().hasGradient()).isFalse();
        assertThat(hasGradient("weight")).isFalse();
        assertThat(parameter("weight").getArray().toFloatArray()).containsExactly(values);
        assertThat(parameter("weight").getArray().getName()).isEqualTo("weight");
        assertThat(parameter("weight").getInitializer()).isSameAs(initializer);
        assertThat(hasGradient("bias")).isTrue();
        assertThat(manager.getManagedArrays()).hasSize(arrays);
        backward();
        assertThat(hasGradient("weight")).isFalse();
    }

    /** Its memory may be a buffer or a mapped file that lives as long as this very array. */
    @Test
    void whatHasNoGradientKeepsItsArray() {
        NDArray array = parameter("weight").getArray();

        Freezing.train(linear, parameter -> false);

        assertThat(parameter("weight").getArray()).isSameAs(array);
    }

    @Test
    void whatWasFrozenTrainsAgain() {
        backward();
        Freezing.train(linear, parameter -> false);
        Freezing.train(linear, parameter -> true);
        backward();
        assertThat(hasGradient("weight")).isTrue();
        assertThat(hasGradient("bias")).isTrue();
    }

    @Test
    void runningStatisticsNeverTrain() {
        BatchNorm norm = BatchNorm.builder().build();
        norm.initialize(manager, DataType.FLOAT32, new Shape(2, 4));

        Freezing.train(norm, parameter -> true);

        assertThat(norm.getParameters().get("gamma").requiresGradient()).isTrue();
        assertThat(norm.getParameters().get("runningMean").requiresGradient()).isFalse();
        assertThat(norm.getParameters().get("runningVar").requiresGradient()).isFalse();
    }
}
