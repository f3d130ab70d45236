package ai.molae.djl.data;

import java.util.Arrays;
import java.util.BitSet;

/**
 * Windows of whole documents. A document of L tokens has L - 1 inputs, for its last token predicts nothing; more than S of them are cut into
 * pieces of S and a rest. A piece goes into the fullest window that has room for it, of equal ones the one used last.
 */
final class WholeWindows implements WindowLayout {

    private final TokenDocuments documents;
    private final int sequenceLength;
    /** Where the inputs of each piece begin, and how many there are; window by window, in each in the order of the data. */
    private final long[] starts;

    private final int[] lengths;
    /** The first piece of each window, and how many pieces there are. */
    private final int[] firsts;

    WholeWindows(TokenDocuments documents, int sequenceLength) {
        this.documents = documents;
        this.sequenceLength = sequenceLength;
        Fitting fitting = new Fitting(documents, sequenceLength);
        firsts = new int[fitting.windows + 1];
        for (int i = 0; i < fitting.pieces; i++) {
            firsts[fitting.window[i] + 1]++;
        }
        for (int i = 0; i < fitting.windows; i++) {
            firsts[i + 1] += firsts[i];
        }
        int[] next = Arrays.copyOf(firsts, fitting.windows);
        starts = new long[fitting.pieces];
        lengths = new int[fitting.pieces];
        for (int i = 0; i < fitting.pieces; i++) {
            int place = next[fitting.window[i]]++;
            starts[place] = fitting.start[i];
            lengths[place] = fitting.length[i];
        }
    }

    @Override
    public long size() {
        return firsts.length - 1L;
    }

    @Override
    public boolean insideDocuments() {
        return true;
    }

    @Override
    public void fill(long window, int row, TokenBatch batch) {
        int first = firsts[(int) window];
        int index = row * sequenceLength;
        for (int piece = first; piece < firsts[(int) window + 1]; piece++) {
            Span.copy(documents, starts[piece], lengths[piece], batch, index);
            Span.number(batch, index, lengths[piece], piece - first + 1);
            index += lengths[piece];
        }
    }

    /** Finds a window for each piece. */
    private static final class Fitting {
        private static final int NONE = -1;

        private final TokenDocuments documents;
        private final int sequenceLength;
        private long[] start = new long[64];
        private int[] length = new int[64];
        private int[] window = new int[64];
        private int pieces;
        private int windows;
        /** By the room that is left, the window used last, and for each window the one used before it with as much room. */
        private final int[] heads;

        private int[] links = new int[64];
        private final BitSet rooms = new BitSet();

        private Fitting(TokenDocuments documents, int sequenceLength) {
            this.documents = documents;
            this.sequenceLength = sequenceLength;
            heads = new int[sequenceLength + 1];
            Arrays.fill(heads, NONE);
            long position = 0;
            for (long document = 0; document < documents.documents(); document++) {
                long end = documents.start(document + 1);
                for (long at = position; at < end - 1; at += sequenceLength) {
                    int inputs = (int) Math.min(sequenceLength, end - 1 - at);
                    if (hasLabel(at, inputs)) {
                        add(at, inputs);
                    }
                }
                position = end;
            }
            if (pieces == 0) {
                throw new IllegalArgumentException("none of the " + documents.documents() + " documents ("
                        + documents.tokens()
                        + " tokens) has a token to predict from one before it; give longer documents");
            }
        }

        /** A piece of which nothing is trained on, such as the middle of a long question, would only cost time. */
        private boolean hasLabel(long position, int inputs) {
            if (!documents.masked()) {
                return true;
            }
            boolean[] trained = new boolean[inputs];
            documents.copyTrained(position + 1, trained, 0, inputs);
            for (boolean label : trained) {
                if (label) {
                    return true;
                }
            }
            return false;
        }

        private void add(long position, int inputs) {
            if (pieces == Integer.MAX_VALUE - 8) {
                throw new IllegalArgumentException("the first " + pieces + " pieces of the " + documents.documents()
                        + " documents are the most that " + Packing.WHOLE_DOCUMENTS + " can pack; use "
                        + Packing.STREAM_INSIDE_DOCUMENTS);
            }
            if (pieces == start.length) {
                int more = (int) Math.min(Integer.MAX_VALUE - 8, pieces * 3L / 2);
                start = Arrays.copyOf(start, more);
                length = Arrays.copyOf(length, more);
                window = Arrays.copyOf(window, more);
            }
            start[pieces] = position;
            length[pieces] = inputs;
            window[pieces] = windowWith(inputs);
            pieces++;
        }

        private int windowWith(int inputs) {
            int room = rooms.nextSetBit(inputs);
            int chosen;
            if (room < 0) {
                chosen = windows++;
                room = sequenceLength;
                if (chosen == links.length) {
                    links = Arrays.copyOf(links, (int) Math.min(Integer.MAX_VALUE - 8, chosen * 3L / 2));
                }
            } else {
                chosen = heads[room];
                heads[room] = links[chosen];
                rooms.set(room, heads[room] != NONE);
            }
            int left = room - inputs;
            if (left > 0) {
                links[chosen] = heads[left];
                heads[left] = chosen;
                rooms.set(left);
            }
            return chosen;
        }
    }
}
