package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IndexPermutationTest {

    private static long[] order(long size, long seed, long epoch) {
        IndexPermutation permutation = new IndexPermutation(size, IndexPermutation.key(seed, epoch));
        return LongStream.range(0, size).map(permutation::at).toArray();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 10, 16, 17, 1000, 65_536, 65_537})
    void everyNumberComesOnce(long size) {
        assertThat(Arrays.stream(order(size, 1, 0)).sorted().toArray())
                .isEqualTo(LongStream.range(0, size).toArray());
    }

    @Test
    void seedsAndEpochsHaveDifferentOrders() {
        assertThat(order(100, 1, 0)).isNotEqualTo(order(100, 1, 1));
        assertThat(order(100, 1, 0)).isNotEqualTo(order(100, 2, 0));
        assertThat(order(100, 1, 1)).isNotEqualTo(order(100, 2, 0));
        assertThat(order(100, 1, 1)).isEqualTo(order(100, 1, 1));
    }

    @Test
    void everyPlaceIsEquallyLikely() {
        // 6000 epochs of 6 numbers: 1000 of each at the first place, give or take four standard deviations of 29.
        long[] counts = new long[6];
        for (long epoch = 0; epoch < 6000; epoch++) {
            counts[(int) new IndexPermutation(6, IndexPermutation.key(3, epoch)).at(0)]++;
        }
        assertThat(Arrays.stream(counts).boxed())
                .allSatisfy(count -> assertThat(count).isBetween(884L, 1116L));
    }

    @Test
    void hugeSizesNeedNoMemoryAndDoNotOverflow() {
        long size = (1L << 40) + 7;
        IndexPermutation permutation = new IndexPermutation(size, 9);

        assertThat(LongStream.range(0, 1000).map(permutation::at).boxed())
                .doesNotHaveDuplicates()
                .allSatisfy(value -> assertThat(value).isBetween(0L, size - 1))
                .anySatisfy(value -> assertThat(value).isGreaterThan(1L << 38));
    }
}
