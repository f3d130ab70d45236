package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Keys and values of the positions a model has already seen, so that {@link CausalLm#decode} computes new positions only. All memory is
 * taken at once, two arrays {@code [B, G, capacity, d]} float32 per layer, and written in place; a step copies none of it.
 *
 * <p>A cache serves one batch of sequences of equal length and one thread at a time. {@link #close} gives its memory back; so does closing
 * the manager it was made with.
 */
public final class KvCache implements AutoCloseable {

    private final GroupedQueryAttentionSpec attention;
    private final int batchSize;
    private final int capacity;
    private final NDManager manager;
    private final List<NDArray> keys = new ArrayList<>();
    private final List<NDArray> values = new ArrayList<>();
    private int length;

    /** What attention sees of one layer's cache. */
    record Layer(Optional<NDArray> keys, Optional<NDArray> values, int length) {
        /** Attention without a cache. */
        static final Layer NONE = new Layer(Optional.empty(), Optional.empty(), 0);
    }

    /**
     * An empty cache.
     *
     * @param spec the model
     * @param manager parent of the cache's memory; its device must be the model's
     * @param batchSize B, number of sequences
     * @param capacity the most positions it can hold, at most the model's {@code maxPositionEmbeddings}
     * @throws IllegalArgumentException if a number is out of range or the model's attention cannot be run
     */
    public KvCache(ModelSpec spec, NDManager manager, int batchSize, int capacity) {
        if (!(spec.attention() instanceof GroupedQueryAttentionSpec grouped)) {
            throw new IllegalArgumentException("there is no cache for " + spec.attention());
        }
        if (batchSize < 1) {
            throw new IllegalArgumentException("batchSize must be positive, got " + batchSize);
        }
        if (capacity < 1 || capacity > spec.maxPositionEmbeddings()) {
            throw new IllegalArgumentException("capacity must be between 1 and the model's maxPositionEmbeddings = "
                    + spec.maxPositionEmbeddings() + ", got " + capacity);
        }
        attention = grouped;
        this.batchSize = batchSize;
        this.capacity = capacity;
        this.manager = manager.newSubManager();
        Shape shape = new Shape(batchSize, grouped.numKeyValueHeads(), capacity, grouped.headDim());
        for (int i = 0; i < spec.numLayers(); i++) {
            keys.add(this.manager.zeros(shape, DataType.FLOAT32));
            values.add(this.manager.zeros(shape, DataType.FLOAT32));
        }
    }

    /**
     * The number of positions it holds.
     *
     * @return positions seen since creation or {@link #reset()}
     */
    public int length() {
        return length;
    }

    /**
     * The number of positions it can hold.
     *
     * @return the capacity
     */
    public int capacity() {
        return capacity;
    }

    /**
     * The number of sequences.
     *
     * @return B
     */
    public int batchSize() {
        return batchSize;
    }

    /** Forgets every position; the memory stays. */
    public void reset() {
        length = 0;
    }

    /** Gives the memory back. */
    @Override
    public void close() {
        manager.close();
    }

    Layer layer(int index) {
        return new Layer(Optional.of(keys.get(index)), Optional.of(values.get(index)), length);
    }

    void advance(int positions) {
        length += positions;
    }

    /** Refuses tokens of the given shape {@code [B, S]} that this cache cannot take. */
    void check(ModelSpec spec, Shape tokens) {
        if (!manager.isOpen()) {
            throw new IllegalStateException("the cache is closed");
        }
        if (!attention.equals(spec.attention()) || keys.size() != spec.numLayers()) {
            throw new IllegalArgumentException("the cache was made for " + keys.size() + " layers of " + attention
                    + ", the model has " + spec.numLayers() + " layers of " + spec.attention());
        }
        if (tokens.get(0) != batchSize) {
            throw new IllegalArgumentException(
                    "the cache holds batchSize = " + batchSize + " sequences, got tokens of shape " + tokens);
        }
        if (length + tokens.get(1) > spec.maxPositionEmbeddings()) {
            throw new IllegalArgumentException("the cache holds " + length + " positions, " + tokens.get(1)
                    + " more exceed the model's maxPositionEmbeddings = " + spec.maxPositionEmbeddings());
        }
        if (length + tokens.get(1) > capacity) {
            throw new IllegalArgumentException("the cache holds " + length + " of capacity = " + capacity
                    + " positions, " + tokens.get(1) + " more do not fit; make a larger one or reset() it");
        }
    }
}
