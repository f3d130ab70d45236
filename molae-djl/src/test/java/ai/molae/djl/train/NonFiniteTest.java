package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NonFiniteTest {

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void namesTheFirstArrayWithSuchAnElement(float wrong) {
        Map<String, NDArray> arrays = new LinkedHashMap<>();
        arrays.put("a", manager.create(new float[] {1, Float.MAX_VALUE, -Float.MAX_VALUE}));
        assertThat(NonFinite.first(arrays)).isEmpty();
        arrays.put("b", manager.create(new float[] {2, wrong, 3, -4, 1e30f}));
        arrays.put("c", manager.create(new float[] {Float.NaN}));

        assertThat(NonFinite.first(arrays)).contains("b");
        assertThat(NonFinite.first(Map.of())).isEmpty();
    }

    @Test
    void looksAtParametersAndAtGradients() {
        TrainedArrays arrays = new TrainedArrays(manager, 1).matrix("w", 2, 2).vector("norm", 3);
        assertThat(NonFinite.firstGradient(arrays.byPath())).isEmpty();
        arrays.backward(Map.of("norm", new float[] {0, Float.NaN, 0}));
        int before = manager.getManagedArrays().size();

        assertThat(NonFinite.firstGradient(arrays.byPath())).contains("norm");
        assertThat(NonFinite.firstParameter(arrays.byPath())).isEmpty();
        arrays.parameter("w").getArray().muli(Float.POSITIVE_INFINITY);
        assertThat(NonFinite.firstParameter(arrays.byPath())).contains("w");
        assertThat(manager.getManagedArrays()).hasSize(before);
    }
}
