package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PackedWindowsTest {

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    /** Token i is i, so that a window shows where it was cut. */
    private final int[] tokens = IntStream.range(0, 42).toArray();

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void labelsAreTheInputsOneTokenFurther() {
        NDList batch = new PackedWindows(tokens, 4, 1).sequentialBatch(manager, 1, 2);

        assertThat(batch.get(0).getShape()).isEqualTo(new Shape(2, 4));
        assertThat(batch.get(0).toLongArray()).containsExactly(4, 5, 6, 7, 8, 9, 10, 11);
        assertThat(batch.get(1).toLongArray()).containsExactly(5, 6, 7, 8, 9, 10, 11, 12);
    }

    @Test
    void visitsEveryWindowOnceAnEpoch() {
        PackedWindows windows = new PackedWindows(tokens, 4, 1);
        assertThat(windows.size()).isEqualTo(10);

        List<Long> firstTokens = new ArrayList<>();
        for (int index = 0; index < 5; index++) {
            long[] inputs = windows.batch(manager, index, 2).get(0).toLongArray();
            firstTokens.add(inputs[0]);
            firstTokens.add(inputs[4]);
        }

        assertThat(firstTokens).containsExactlyInAnyOrder(0L, 4L, 8L, 12L, 16L, 20L, 24L, 28L, 32L, 36L);
        assertThat(firstTokens).isNotEqualTo(firstTokens.stream().sorted().toList());
    }

    @Test
    void aBatchDependsOnItsIndexAndTheSeedAlone() {
        PackedWindows windows = new PackedWindows(tokens, 4, 1);
        long[] late = windows.batch(manager, 7, 3).get(0).toLongArray();
        windows.batch(manager, 0, 3);

        assertThat(windows.batch(manager, 7, 3).get(0).toLongArray()).isEqualTo(late);
        assertThat(new PackedWindows(tokens, 4, 1).batch(manager, 7, 3).get(0).toLongArray())
                .isEqualTo(late);
        assertThat(new PackedWindows(tokens, 4, 2).batch(manager, 7, 3).get(0).toLongArray())
                .isNotEqualTo(late);
    }

    @Test
    void epochsHaveDifferentOrders() {
        PackedWindows windows = new PackedWindows(tokens, 4, 1);

        assertThat(windows.batch(manager, 0, 10).get(0).toLongArray())
                .isNotEqualTo(windows.batch(manager, 1, 10).get(0).toLongArray());
    }

    @Test
    void refusesATextShorterThanAWindow() {
        assertThatThrownBy(() -> new PackedWindows(new int[4], 4, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("needs 5 tokens, the text has 4");
        assertThat(new PackedWindows(new int[5], 4, 1).size()).isEqualTo(1);
    }
}
