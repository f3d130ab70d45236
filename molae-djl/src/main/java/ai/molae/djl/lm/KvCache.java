package ai.molae.djl.lm;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.OutOfNativeMemoryException;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Keys and values of the positions a model has already seen, so that {@link CausalLm#decode} computes new positions only. All memory is
 * taken at once and written in place; a step copies none of it. Per layer that is two arrays {@code [B, G, capacity, d]} float32, or with
 * multi-head latent attention one array {@code [B, capacity, r + d_rope]} of latents and rotary keys.
 *
 * <p>Keys are held as they were turned when they were read. With {@link ai.molae.spec.RopeScaling.Dynamic}, whose angles change once the
 * sequence outgrows the trained length, they keep the angles of the length then, as in Hugging Face's caches.
 *
 * <p>A cache serves one batch of sequences and one thread at a time. Sequences of different length are padded on the left, see {@link
 * #padLeft}. {@link #close} gives its memory back; so does closing the manager it was made with.
 */
public final class KvCache implements AutoCloseable {

    private final AttentionSpec attention;
    private final int batchSize;
    private final int capacity;
    private final NDManager manager;
    private final List<Layer> layers = new ArrayList<>();

    /** {@code [B, capacity]}, 0 for padding; absent if there is none. */
    private NDArray visible = TorchArguments.absent();

    private int length;
    private int longestPadding;

    /** One layer's cache: keys, or latents, and values; absent where there are none. */
    record Layer(NDArray keys, NDArray values) {
        /** Attention without a cache. */
        static final Layer NONE = new Layer(TorchArguments.absent(), TorchArguments.absent());
    }

    /**
     * An empty cache.
     *
     * @param spec the model
     * @param manager parent of the cache's memory; its device must be the model's
     * @param batchSize B, number of sequences
     * @param capacity the most positions it can hold, at most the model's {@code maxPositionEmbeddings}
     * @throws IllegalArgumentException if a number is out of range
     */
    public KvCache(ModelSpec spec, NDManager manager, int batchSize, int capacity) {
        this(spec, manager, batchSize, capacity, 0);
    }

    /**
     * An empty cache for sequences padded on the left, see {@link #padLeft}. Padding takes no position of the model, so that there may be more
     * capacity by the longest padding; what a sequence with less padding gets beyond the model's positions means nothing.
     *
     * @param spec the model
     * @param manager parent of the cache's memory; its device must be the model's
     * @param capacity the most positions it can hold, at most the model's {@code maxPositionEmbeddings} and the longest padding
     * @param padding how many positions of each sequence, B numbers
     * @throws IllegalArgumentException if a number is out of range
     */
    public KvCache(ModelSpec spec, NDManager manager, int capacity, int[] padding) {
        this(spec, manager, padding.length, capacity, longest(padding));
        try {
            padLeft(padding);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private KvCache(ModelSpec spec, NDManager manager, int batchSize, int capacity, int longestPadding) {
        if (batchSize < 1) {
            throw new IllegalArgumentException("batchSize must be positive, got " + batchSize);
        }
        if (capacity < 1 || capacity - longestPadding > spec.maxPositionEmbeddings()) {
            throw new IllegalArgumentException("capacity must be between 1 and the model's maxPositionEmbeddings = "
                    + spec.maxPositionEmbeddings()
                    + (longestPadding > 0 ? " plus the longest padding = " + longestPadding : "") + ", got "
                    + capacity);
        }
        attention = spec.attention();
        this.batchSize = batchSize;
        this.capacity = capacity;
        if ((long) batchSize * capacity > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("a cache holds at most " + Integer.MAX_VALUE
                    + " positions of all sequences together, got batchSize = " + batchSize + " and capacity = "
                    + capacity);
        }
        this.manager = manager.newSubManager();
        try {
            for (int i = 0; i < spec.numLayers(); i++) {
                layers.add(newLayer());
            }
        } catch (EngineException e) {
            this.manager.close();
            throw OutOfNativeMemoryException.told(
                    e,
                    () -> "a KvCache of " + batchSize + " sequences of " + capacity + " positions in "
                            + spec.numLayers() + " layers");
        }
    }

    private static int longest(int... padding) {
        return Arrays.stream(padding).max().orElse(0);
    }

    private Layer newLayer() {
        if (attention instanceof LatentAttentionSpec latent) {
            int width = latent.kvLoraRank() + latent.qkRopeHeadDim();
            return new Layer(zeros(batchSize, capacity, width), TorchArguments.absent());
        }
        GroupedQueryAttentionSpec grouped = (GroupedQueryAttentionSpec) attention;
        int heads = grouped.numKeyValueHeads();
        int width = grouped.headDim();
        return new Layer(zeros(batchSize, heads, capacity, width), zeros(batchSize, heads, capacity, width));
    }

    private NDArray zeros(long... shape) {
        return manager.zeros(new Shape(shape), DataType.FLOAT32);
    }

    /**
     * Declares the first positions of sequences as padding, so that sequences of different length end at the same position. Padding is seen by
     * nobody and takes no position: a padded sequence gets the logits it would get alone, up to rounding.
     *
     * @param padding how many positions of each sequence, B numbers
     * @throws IllegalArgumentException if a number is out of range or there are not B of them
     * @throws IllegalStateException if the cache is closed or holds positions already
     */
    public void padLeft(int... padding) {
        if (!manager.isOpen() || length > 0) {
            throw new IllegalStateException(
                    manager.isOpen()
                            ? "the cache holds " + length + " positions already; declare padding before, or reset() it"
                            : "the cache is closed");
        }
        if (padding.length != batchSize) {
            throw new IllegalArgumentException(
                    "the cache holds batchSize = " + batchSize + " sequences, got the padding of " + padding.length);
        }
        float[] mask = new float[batchSize * capacity];
        for (int b = 0; b < batchSize; b++) {
            if (padding[b] < 0 || padding[b] >= capacity) {
                throw new IllegalArgumentException("padding must be in [0, capacity = " + capacity + "), got "
                        + padding[b] + " for sequence " + b);
            }
            Arrays.fill(mask, b * capacity + padding[b], (b + 1) * capacity, 1);
        }
        reset();
        longestPadding = longest(padding);
        if (longestPadding > 0) {
            visible = manager.create(mask, new Shape(batchSize, capacity));
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

    /** Forgets every position and the padding; the memory stays. */
    public void reset() {
        length = 0;
        longestPadding = 0;
        if (!visible.isEmpty()) {
            visible.close();
            visible = TorchArguments.absent();
        }
    }

    /**
     * Forgets the last positions, so that others take their place; the memory and the padding stay.
     *
     * @param length how many positions to keep, the first ones
     * @throws IllegalArgumentException if it is negative or more than {@link #length()}
     * @throws IllegalStateException if the cache is closed
     */
    public void rewind(int length) {
        if (!manager.isOpen()) {
            throw new IllegalStateException("the cache is closed");
        }
        if (length < 0 || length > this.length) {
            throw new IllegalArgumentException(
                    "a cache of " + this.length + " positions cannot go back to " + length + " of them");
        }
        this.length = length;
    }

    /** Gives the memory back. */
    @Override
    public void close() {
        manager.close();
    }

    Layer layer(int index) {
        return layers.get(index);
    }

    /** Which of the positions so far and the next ones are no padding, {@code [B, length + tokens]}; absent for all. */
    NDArray visible(int tokens) {
        return visible.isEmpty() ? visible : visible.get(new NDIndex(":, :{}", length + tokens));
    }

    void advance(int positions) {
        length += positions;
    }

    /** Refuses tokens of the given shape {@code [B, S]} that this cache cannot take. */
    void check(ModelSpec spec, Shape tokens) {
        if (!manager.isOpen()) {
            throw new IllegalStateException("the cache is closed");
        }
        if (!attention.equals(spec.attention()) || layers.size() != spec.numLayers()) {
            throw new IllegalArgumentException("the cache was made for " + layers.size() + " layers of " + attention
                    + ", the model has " + spec.numLayers() + " layers of " + spec.attention());
        }
        if (tokens.get(0) != batchSize) {
            throw new IllegalArgumentException(
                    "the cache holds batchSize = " + batchSize + " sequences, got tokens of shape " + tokens);
        }
        int held = length - longestPadding;
        if (held + tokens.get(1) > spec.maxPositionEmbeddings()) {
            throw new IllegalArgumentException("the cache holds " + held + " positions, " + tokens.get(1)
                    + " more exceed the model's maxPositionEmbeddings = " + spec.maxPositionEmbeddings());
        }
        if (length + tokens.get(1) > capacity) {
            throw new IllegalArgumentException("the cache holds " + length + " of capacity = " + capacity
                    + " positions, " + tokens.get(1) + " more do not fit; make a larger one or reset() it");
        }
    }
}
