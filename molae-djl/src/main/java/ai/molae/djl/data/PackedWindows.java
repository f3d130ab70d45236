package ai.molae.djl.data;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Documents packed into windows of S inputs and S labels, the tokens one further, as {@link Packing} says. The windows are visited in an order
 * that the seed and the epoch fix, every one once an epoch. Where tokens are not trained on, the labels are {@link TokenBatch#IGNORED}; a
 * window of nothing else is possible in a stream.
 *
 * <pre>{@code
 * TrainingData data = PackedWindows.builder()
 *         .setDocuments(documents)
 *         .setSequenceLength(1024)
 *         .optPacking(Packing.WHOLE_DOCUMENTS)
 *         .optSeed(1)
 *         .build();
 * }</pre>
 */
public final class PackedWindows implements TrainingData {

    private final WindowLayout windows;
    private final int sequenceLength;
    private final long seed;
    private final String fingerprint;

    /**
     * Cuts a stream of tokens, see {@link Packing#STREAM}.
     *
     * @param tokens the stream; not copied
     * @param sequenceLength S
     * @param seed seed of the visiting order
     * @throws IllegalArgumentException if the stream is shorter than one window
     */
    public PackedWindows(int[] tokens, int sequenceLength, long seed) {
        this(TokenDocuments.ofStream(tokens), sequenceLength, Packing.STREAM, seed);
    }

    private PackedWindows(TokenDocuments documents, int sequenceLength, Packing packing, long seed) {
        if (sequenceLength < 1) {
            throw new IllegalArgumentException("sequenceLength must be positive, got " + sequenceLength);
        }
        this.sequenceLength = sequenceLength;
        this.seed = seed;
        windows = switch (packing) {
            case STREAM, STREAM_INSIDE_DOCUMENTS -> new StreamWindows(
                    documents, sequenceLength, packing != Packing.STREAM);
            case WHOLE_DOCUMENTS -> new WholeWindows(documents, sequenceLength);
        };
        fingerprint =
                ContentHash.of(documents.fingerprint() + " length " + sequenceLength + " " + packing + " seed " + seed);
    }

    /**
     * Windows of documents.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public long size() {
        return windows.size();
    }

    @Override
    public int sequenceLength() {
        return sequenceLength;
    }

    @Override
    public TokenBatch shuffled(long position, int count) {
        if (position < 0) {
            throw new IllegalArgumentException("position must not be negative, got " + position);
        }
        long[] chosen = new long[count];
        for (int i = 0; i < count; i++) {
            long epoch = (position + i) / size();
            chosen[i] = new IndexPermutation(size(), IndexPermutation.key(seed, epoch)).at((position + i) % size());
        }
        return batch(chosen);
    }

    @Override
    public TokenBatch inOrder(long first, int count) {
        Objects.checkIndex(first, size());
        long[] chosen = new long[(int) Math.min(count, size() - first)];
        Arrays.setAll(chosen, i -> first + i);
        return batch(chosen);
    }

    private TokenBatch batch(long[] chosen) {
        int size = Math.multiplyExact(chosen.length, sequenceLength);
        long[] labels = new long[size];
        Arrays.fill(labels, TokenBatch.IGNORED);
        long[] mask = new long[windows.insideDocuments() ? size : 0];
        TokenBatch batch = new TokenBatch(chosen.length, sequenceLength, new long[size], labels, mask);
        for (int row = 0; row < chosen.length; row++) {
            windows.fill(chosen[row], row, batch);
        }
        return batch;
    }

    @Override
    public String fingerprint() {
        return fingerprint;
    }

    /** Builds {@link PackedWindows}. */
    public static final class Builder {
        private @Nullable TokenDocuments documents;
        private int sequenceLength;
        private Packing packing = Packing.STREAM;
        private long seed;

        private Builder() {}

        /**
         * Sets the documents.
         *
         * @param documents they must stay open while the windows are used
         * @return this builder
         */
        public Builder setDocuments(TokenDocuments documents) {
            this.documents = documents;
            return this;
        }

        /**
         * Sets the length of a window.
         *
         * @param sequenceLength S
         * @return this builder
         */
        public Builder setSequenceLength(int sequenceLength) {
            this.sequenceLength = sequenceLength;
            return this;
        }

        /**
         * Sets how documents are packed.
         *
         * @param packing the way, {@link Packing#STREAM} by default
         * @return this builder
         */
        public Builder optPacking(Packing packing) {
            this.packing = packing;
            return this;
        }

        /**
         * Sets the seed of the visiting order.
         *
         * @param seed any number, 0 by default
         * @return this builder
         */
        public Builder optSeed(long seed) {
            this.seed = seed;
            return this;
        }

        /**
         * Packs the documents.
         *
         * @return the windows
         * @throws IllegalArgumentException if the documents or the length are missing, or there is not one window
         */
        public PackedWindows build() {
            if (documents == null) {
                throw new IllegalArgumentException("setDocuments is missing");
            }
            return new PackedWindows(documents, sequenceLength, packing, seed);
        }
    }
}
