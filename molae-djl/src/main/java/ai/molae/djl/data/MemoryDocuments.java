package ai.molae.djl.data;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Objects;

/** Documents in one array. */
final class MemoryDocuments implements TokenDocuments {

    private static final int MOST = Integer.MAX_VALUE - 8; // the longest array a JVM makes

    private final int[] tokens;
    private final int size;
    private final int[] starts;
    private final int documents;
    /** Tokens that are only read. */
    private final BitSet untrained;

    private final String fingerprint;

    private MemoryDocuments(int[] tokens, int size, int[] starts, int documents, BitSet untrained, String fingerprint) {
        this.tokens = tokens;
        this.size = size;
        this.starts = starts;
        this.documents = documents;
        this.untrained = untrained;
        this.fingerprint = fingerprint;
    }

    static MemoryDocuments ofStream(int[] tokens) {
        ContentHash hash = new ContentHash();
        hash.add(TokenDocument.of(tokens));
        return new MemoryDocuments(tokens, tokens.length, new int[] {0, tokens.length}, 1, new BitSet(), hash.hex());
    }

    @Override
    public long documents() {
        return documents;
    }

    @Override
    public long tokens() {
        return size;
    }

    @Override
    public long start(long document) {
        return starts[(int) Objects.checkIndex(document, documents + 1L)];
    }

    @Override
    public boolean masked() {
        return !untrained.isEmpty();
    }

    @Override
    public void copyTokens(long position, int[] target, int offset, int count) {
        Objects.checkFromIndexSize(position, count, size);
        System.arraycopy(tokens, (int) position, target, offset, count);
    }

    @Override
    public void copyTrained(long position, boolean[] target, int offset, int count) {
        Objects.checkFromIndexSize(position, count, size);
        for (int i = 0; i < count; i++) {
            target[offset + i] = !untrained.get((int) position + i);
        }
    }

    @Override
    public String fingerprint() {
        return fingerprint;
    }

    /** Collects documents. */
    static final class Builder implements DocumentSink {
        private final ContentHash hash = new ContentHash();
        private final BitSet untrained = new BitSet();
        private int[] tokens = new int[1024];
        private int size;
        private int[] starts = new int[64];
        private int documents;

        @Override
        public void add(TokenDocument document) {
            int[] added = document.tokens();
            if (added.length > MOST - size) {
                throw new IllegalArgumentException("after " + documents + " documents of " + size
                        + " tokens the next has " + added.length + ", more than fit into memory (" + MOST
                        + "); write the text into shards first, with molae tokenize");
            }
            tokens = grown(tokens, size + added.length);
            System.arraycopy(added, 0, tokens, size, added.length);
            for (int i = 0; i < added.length; i++) {
                if (!document.isTrained(i)) {
                    untrained.set(size + i);
                }
            }
            size += added.length;
            documents++;
            starts = grown(starts, documents + 1);
            starts[documents] = size;
            hash.add(document);
        }

        private static int[] grown(int[] array, int needed) {
            return needed <= array.length
                    ? array
                    : Arrays.copyOf(array, (int) Math.min(MOST, Math.max(needed, array.length * 3L / 2)));
        }

        int documents() {
            return documents;
        }

        MemoryDocuments build() {
            if (documents == 0) {
                throw new IllegalArgumentException("there is no document; give a text that is not empty");
            }
            return new MemoryDocuments(tokens, size, starts, documents, (BitSet) untrained.clone(), hash.hex());
        }
    }
}
