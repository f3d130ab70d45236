package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.QkNorm;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class KvCacheTest {

    private NDManager manager;
    private CausalLm model;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager();
        model = LmFixture.model(LmFixture.spec(), manager);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    /** Logits {@code [B V]} after the first {@code length} tokens, without a cache. */
    private float[] forward(CausalLm lm, int length) {
        int[][] start = Arrays.stream(LmFixture.TOKENS)
                .map(row -> Arrays.copyOf(row, length))
                .toArray(int[][]::new);
        return LmFixture.infer(lm, LmFixture.tokens(manager, start))
                .head()
                .get(":, -1")
                .toFloatArray();
    }

    private float[] decode(CausalLm lm, KvCache cache, int from, int to) {
        int[][] part = Arrays.stream(LmFixture.TOKENS)
                .map(row -> Arrays.copyOfRange(row, from, to))
                .toArray(int[][]::new);
        try (NDArray logits = lm.decode(new ParameterStore(manager, false), LmFixture.tokens(manager, part), cache)) {
            assertThat(logits.getShape()).isEqualTo(new Shape(2, LmFixture.VOCAB));
            return logits.toFloatArray();
        }
    }

    @ParameterizedTest(name = "chunks of {0}")
    @ValueSource(ints = {6, 4, 3, 2, 1})
    void decodesInChunksWhatForwardPredicts(int chunk) {
        try (KvCache cache = new KvCache(model.spec(), manager, 2, 6)) {
            for (int from = 0; from < 6; from += chunk) {
                int to = Math.min(6, from + chunk);
                float[] logits = decode(model, cache, from, to);
                assertThat(cache.length()).isEqualTo(to);
                assertThat(logits).containsExactly(forward(model, to), within(1e-5f));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void servesEveryGroupingOfHeads(int keyValueHeads) {
        ModelSpec spec = LmFixture.specBuilder()
                .setAttention(new GroupedQueryAttentionSpec(4, keyValueHeads, 6, 100, false, QkNorm.FULL))
                .build();
        CausalLm lm = LmFixture.model(spec, manager);
        try (KvCache cache = new KvCache(spec, manager, 2, 10)) {
            assertThat(decode(lm, cache, 0, 3)).containsExactly(forward(lm, 3), within(1e-5f));
            assertThat(decode(lm, cache, 3, 5)).containsExactly(forward(lm, 5), within(1e-5f));
            assertThat(decode(lm, cache, 5, 6)).containsExactly(forward(lm, 6), within(1e-5f));
        }
    }

    @Test
    void isCloseToForwardInBfloat16() {
        CausalLm lm = CausalLm.builder()
                .setSpec(model.spec())
                .optPrecision(Precision.BFLOAT16)
                .build();
        LmFixture.initialized(lm, manager, 7, new Shape(1, 1));
        float largest = 0;
        for (float logit : forward(lm, 6)) {
            largest = Math.max(largest, Math.abs(logit));
        }
        try (KvCache cache = new KvCache(lm.spec(), manager, 2, 6)) {
            decode(lm, cache, 0, 4);
            decode(lm, cache, 4, 5);
            assertThat(decode(lm, cache, 5, 6)).containsExactly(forward(lm, 6), within(0.03f * largest));
        }
    }

    @Test
    void startsAgainAfterReset() {
        try (KvCache cache = new KvCache(model.spec(), manager, 2, 6)) {
            decode(model, cache, 1, 6);
            cache.reset();
            assertThat(cache.length()).isZero();
            assertThat(decode(model, cache, 0, 2)).containsExactly(forward(model, 2), within(1e-5f));
        }
    }

    @Test
    void goesBackToAnEarlierPosition() {
        try (KvCache cache = new KvCache(model.spec(), manager, 2, 6)) {
            decode(model, cache, 0, 2);
            decode(model, cache, 1, 4);
            cache.rewind(2);
            assertThat(cache.length()).isEqualTo(2);
            assertThat(decode(model, cache, 2, 3)).containsExactly(forward(model, 3), within(1e-5f));
            assertThatThrownBy(() -> cache.rewind(4))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("a cache of 3 positions cannot go back to 4 of them");
            assertThatThrownBy(() -> cache.rewind(-1)).isInstanceOf(IllegalArgumentException.class);
        }
        KvCache closed = new KvCache(model.spec(), manager, 2, 5);
        closed.close();
        assertThatThrownBy(() -> closed.rewind(0))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("the cache is closed");
    }

    @Test
    void keepsItsArraysAndAddsNone() {
        int before = manager.getManagedArrays().size();
        try (KvCache cache = new KvCache(model.spec(), manager, 2, 6)) {
            NDArray keys = cache.layer(0).keys();
            assertThat(keys.getShape()).isEqualTo(new Shape(2, 2, 6, 6));
            try (NDManager step = manager.newSubManager()) {
                NDArray tokens = LmFixture.tokens(step, LmFixture.TOKENS);
                NDArray logits = model.decode(new ParameterStore(step, false), tokens, cache);
                assertThat(step.getManagedArrays()).containsExactlyInAnyOrder(tokens, logits);
            }
            assertThat(cache.layer(0).keys()).isSameAs(keys);
            assertThat(keys.toFloatArray()).doesNotContain(0);
        }
        assertThat(manager.getManagedArrays()).hasSize(before);
    }

    @Test
    void saysWhatDoesNotFit() {
        try (KvCache cache = new KvCache(model.spec(), manager, 2, 5)) {
            assertThat(cache.capacity()).isEqualTo(5);
            assertThat(cache.batchSize()).isEqualTo(2);
            decode(model, cache, 0, 4);
            assertThatThrownBy(() -> decode(model, cache, 4, 6))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the cache holds 4 of capacity = 5 positions, 2 more do not fit;"
                            + " make a larger one or reset() it");
            assertThat(cache.length()).isEqualTo(4);
            NDArray three = manager.zeros(new Shape(3, 1), DataType.INT64);
            assertThatThrownBy(() -> model.decode(new ParameterStore(manager, false), three, cache))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("batchSize = 2")
                    .hasMessageContaining("(3, 1)");
            NDArray foreign = manager.create(new long[] {11, 0}, new Shape(2, 1));
            assertThatThrownBy(() -> model.decode(new ParameterStore(manager, false), foreign, cache))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("token id 11");
            assertThat(decode(model, cache, 4, 5)).containsExactly(forward(model, 5), within(1e-5f));
        }
    }

    @Test
    void saysWhatPaddingItCannotTake() {
        try (KvCache cache = new KvCache(model.spec(), manager, 2, 5)) {
            assertThatThrownBy(() -> cache.padLeft(1))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("the cache holds batchSize = 2 sequences, got the padding of 1");
            assertThatThrownBy(() -> cache.padLeft(0, 5))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("padding must be in [0, capacity = 5), got 5 for sequence 1");
            assertThatThrownBy(() -> cache.padLeft(-1, 0))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("got -1 for sequence 0");
            decode(model, cache, 0, 2);
            assertThatThrownBy(() -> cache.padLeft(0, 1))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("the cache holds 2 positions already; declare padding before, or reset() it");
            cache.reset();
            cache.padLeft(0, 1);
        }
        KvCache closed = new KvCache(model.spec(), manager, 2, 5);
        closed.close();
        assertThatThrownBy(() -> closed.padLeft(0, 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("the cache is closed");
    }

    @Test
    void holdsMoreThanTheModelsPositionsByThePaddingOnly() {
        int arrays = manager.getManagedArrays().size();
        assertThatThrownBy(() -> new KvCache(model.spec(), manager, 19, new int[] {0, 2}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("capacity must be between 1 and the model's maxPositionEmbeddings = 16 plus the longest"
                        + " padding = 2, got 19");
        assertThatThrownBy(() -> new KvCache(model.spec(), manager, 4, new int[] {0, 4}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("padding must be in [0, capacity = 4), got 4 for sequence 1");
        assertThat(manager.getManagedArrays()).hasSize(arrays);
        try (KvCache cache = new KvCache(model.spec(), manager, 18, new int[] {0, 2})) {
            for (int i = 0; i < 3; i++) {
                decode(model, cache, 0, 6);
            }
            cache.reset();
            decode(model, cache, 0, 6);
            decode(model, cache, 0, 6);
            assertThatThrownBy(() -> decode(model, cache, 0, 6))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("12 positions, 6 more exceed the model's maxPositionEmbeddings = 16");
        }
    }

    @Test
    void refusesImpossibleSizesOtherModelsAndUseAfterClose() {
        assertThatThrownBy(() -> new KvCache(model.spec(), manager, 1, 17))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("capacity must be between 1 and the model's maxPositionEmbeddings = 16, got 17");
        assertThatThrownBy(() -> new KvCache(model.spec(), manager, 0, 4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("batchSize must be positive, got 0");
        ModelSpec deeper = LmFixture.specBuilder()
                .addLayers(1, model.spec().feedForwards().get(0))
                .build();
        KvCache other = new KvCache(deeper, manager, 2, 6);
        assertThatThrownBy(() -> decode(model, other, 0, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("4 layers")
                .hasMessageContaining("3 layers");
        KvCache closed = new KvCache(model.spec(), manager, 2, 6);
        closed.close();
        assertThatThrownBy(() -> decode(model, closed, 0, 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("the cache is closed");
    }
}
