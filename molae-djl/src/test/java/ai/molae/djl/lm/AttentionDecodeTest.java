package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchArguments;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Attention with a cache; single tokens take other paths than several. */
class AttentionDecodeTest {

    private static final int TOKENS = 8;
    private static final int[][] CHUNKS = {{8}, {1, 1, 1, 1, 1, 1, 1, 1}, {4, 1, 1, 2}, {1, 6, 1}};

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

    private NDArray batch() {
        double[][] rows = new double[2 * TOKENS][];
        System.arraycopy(x(0), 0, rows, 0, TOKENS);
        System.arraycopy(x(1), 0, rows, TOKENS, TOKENS);
        return LmFixture.array(manager, rows, 2, TOKENS, AttentionCase.WIDTH);
    }

    private static void assertIsReference(AttentionCase attention, Attention block, NDArray y, int... chunks) {
        double[][][] expected = {attention.reference(block, x(0), chunks), attention.reference(block, x(1), chunks)};
        assertThat(LmFixture.doubles(y)).containsExactly(LmFixture.flat(expected), within(2e-5));
    }

    @ParameterizedTest
    @EnumSource(AttentionCase.class)
    void readsInChunksWhatTheReferenceDoes(AttentionCase attention) {
        Attention block = attention.block(manager, Precision.FLOAT32);
        for (int[] chunks : CHUNKS) {
            try (KvCache cache = new KvCache(attention.model(), manager, 2, TOKENS + 1)) {
                assertIsReference(attention, block, attention.decode(block, batch(), cache, chunks), chunks);
            }
        }
    }

    /** Where angles do not depend on when a token was read. */
    @ParameterizedTest
    @EnumSource(value = AttentionCase.class, mode = EnumSource.Mode.MATCH_NONE, names = ".*DYNAMIC.*")
    void equalsForwardWhateverTheChunks(AttentionCase attention) {
        Attention block = attention.block(manager, Precision.FLOAT32);
        float[] forward =
                attention.forward(block, batch(), TorchArguments.absent()).toFloatArray();
        for (int[] chunks : CHUNKS) {
            try (KvCache cache = new KvCache(attention.model(), manager, 2, TOKENS)) {
                assertThat(attention.decode(block, batch(), cache, chunks).toFloatArray())
                        .containsExactly(forward, within(1e-5f));
            }
        }
    }

    /** The second sequence begins behind three columns of padding, alone it would begin at position 0. */
    @ParameterizedTest
    @EnumSource(AttentionCase.class)
    void givesASequencePaddedOnTheLeftWhatItGetsAlone(AttentionCase attention) {
        Attention block = attention.block(manager, Precision.FLOAT32);
        for (int[] chunks : CHUNKS) {
            try (KvCache cache = new KvCache(attention.model(), manager, TOKENS, new int[] {0, 3})) {
                NDArray y = attention.decode(block, batch(), cache, chunks);
                assertThat(Arrays.stream(LmFixture.doubles(y))).allMatch(Double::isFinite);
                assertThat(LmFixture.doubles(y.get("0")))
                        .containsExactly(LmFixture.flat(attention.reference(block, x(0), chunks)), within(2e-5));
                double[][] own = Arrays.copyOfRange(x(1), 3, TOKENS);
                assertThat(LmFixture.doubles(y.get("1, 3:")))
                        .containsExactly(
                                LmFixture.flat(attention.reference(block, own, without(chunks, 3))), within(2e-5));
            }
        }
    }

    /** Lengths of the chunks of a sequence whose first columns are padding. */
    private static int[] without(int[] chunks, int padding) {
        int[] own = chunks.clone();
        int left = padding;
        for (int i = 0; i < own.length; i++) {
            int dropped = Math.min(left, own[i]);
            own[i] -= dropped;
            left -= dropped;
        }
        return own;
    }

    @ParameterizedTest
    @EnumSource(AttentionCase.class)
    void forgetsPositionsAndPaddingOnReset(AttentionCase attention) {
        Attention block = attention.block(manager, Precision.FLOAT32);
        try (KvCache cache = new KvCache(attention.model(), manager, 2, TOKENS)) {
            cache.padLeft(2, 5);
            attention.decode(block, batch(), cache, 5, 1, 2);
            cache.reset();
            assertIsReference(attention, block, attention.decode(block, batch(), cache, 4, 1, 3), 4, 1, 3);
        }
    }

    @ParameterizedTest
    @EnumSource(AttentionCase.class)
    void isCloseToFloat32InBfloat16(AttentionCase attention) {
        int[] chunks = {4, 1, 1, 2};
        double[] exact = decoded(attention, Precision.FLOAT32, chunks);
        double[] rounded = decoded(attention, Precision.BFLOAT16, chunks);
        assertThat(rounded).isNotEqualTo(exact);
        assertThat(LmFixture.relativeDistance(rounded, exact)).isLessThan(0.02);
    }

    private double[] decoded(AttentionCase attention, Precision precision, int... chunks) {
        try (KvCache cache = new KvCache(attention.model(), manager, TOKENS, new int[] {0, 3})) {
            return LmFixture.doubles(attention.decode(attention.block(manager, precision), batch(), cache, chunks));
        }
    }
}
