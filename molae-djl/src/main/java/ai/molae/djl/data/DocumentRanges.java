package ai.molae.djl.data;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Objects;

/** Some documents of others, or parts of them. */
final class DocumentRanges implements TokenDocuments {

    /** How much more than the share may be held back for the sake of whole documents. */
    private static final double CUT_ABOVE = 1.5;

    private final TokenDocuments all;
    /** Where each begins there. */
    private final long[] from;
    /** Where each begins here, and where the last one ends. */
    private final long[] starts;

    private final String fingerprint;

    private DocumentRanges(TokenDocuments all, long[] from, long[] starts, String fingerprint) {
        this.all = all;
        this.from = from;
        this.starts = starts;
        this.fingerprint = fingerprint;
    }

    static Split split(TokenDocuments all, double validationShare, long seed) {
        if (!(validationShare > 0 && validationShare < 1)) {
            throw new IllegalArgumentException("validationShare must be between 0 and 1, got " + validationShare);
        }
        if (all.documents() >= Integer.MAX_VALUE || all.tokens() < 2) {
            throw new IllegalArgumentException("cannot split " + all.documents() + " documents of " + all.tokens()
                    + " tokens; " + (all.tokens() < 2 ? "give more text" : "tokenize a validation set of its own"));
        }
        int documents = (int) all.documents();
        long least = (long) Math.ceil(all.tokens() * validationShare);
        IndexPermutation order = new IndexPermutation(documents, IndexPermutation.key(seed, 0));
        BitSet held = new BitSet(documents);
        long tokens = 0;
        int last = 0;
        for (int i = 0; tokens < least; i++) {
            last = (int) order.at(i);
            held.set(last);
            tokens += all.start(last + 1L) - all.start(last);
        }
        boolean cut = tokens > CUT_ABOVE * least || tokens == all.tokens();
        // With a share close to 1 everything may be needed; then one token is left to train on.
        long excess = cut ? Math.max(1, tokens - least) : 0;
        Part train = new Part(documents - held.cardinality() + 1);
        Part validation = new Part(held.cardinality());
        for (int i = 0; i < documents; i++) {
            long start = all.start(i);
            long end = all.start(i + 1L);
            long middle = !held.get(i) ? end : i == last ? start + excess : start;
            train.add(start, middle);
            validation.add(middle, end);
        }
        String name = all.fingerprint() + " share " + validationShare + " seed " + seed;
        return new Split(train.of(all, name + " train"), validation.of(all, name + " validation"));
    }

    @Override
    public long documents() {
        return from.length;
    }

    @Override
    public long tokens() {
        return starts[from.length];
    }

    @Override
    public long start(long document) {
        return starts[(int) Objects.checkIndex(document, starts.length)];
    }

    @Override
    public boolean masked() {
        return all.masked();
    }

    @Override
    public void copyTokens(long position, int[] target, int offset, int count) {
        copy(position, offset, count, (at, to, some) -> all.copyTokens(at, target, to, some));
    }

    @Override
    public void copyTrained(long position, boolean[] target, int offset, int count) {
        copy(position, offset, count, (at, to, some) -> all.copyTrained(at, target, to, some));
    }

    private interface Copy {
        void run(long position, int offset, int count);
    }

    private void copy(long position, int offset, int count, Copy copy) {
        Objects.checkFromIndexSize(position, count, tokens());
        int document = count == 0 ? 0 : (int) documentOf(position);
        int done = 0;
        while (done < count) {
            long at = position + done;
            int some = (int) Math.min(count - done, starts[document + 1] - at);
            copy.run(from[document] + at - starts[document], offset + done, some);
            done += some;
            document++;
        }
    }

    @Override
    public String fingerprint() {
        return fingerprint;
    }

    /** Collects ranges that are not empty. */
    private static final class Part {
        private final long[] from;
        private final long[] starts;
        private int count;

        private Part(int most) {
            from = new long[most];
            starts = new long[most + 1];
        }

        private void add(long start, long end) {
            if (end > start) {
                from[count] = start;
                starts[count + 1] = starts[count] + end - start;
                count++;
            }
        }

        private DocumentRanges of(TokenDocuments all, String name) {
            return new DocumentRanges(
                    all, Arrays.copyOf(from, count), Arrays.copyOf(starts, count + 1), ContentHash.of(name));
        }
    }
}
