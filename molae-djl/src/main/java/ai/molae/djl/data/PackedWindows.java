package ai.molae.djl.data;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.SplittableRandom;

/**
 * A token stream cut into windows of S + 1 tokens, each giving S inputs and, one further, S labels. Windows follow each other without gap
 * (the last token of one is the first of the next) and are visited in an order that the seed and the epoch fix, every one once an
 * epoch.
 */
public final class PackedWindows {

    private final int[] tokens;
    private final int sequenceLength;
    private final long seed;
    private long shuffledEpoch = -1;
    private int[] order = new int[0];

    /**
     * Cuts a token stream.
     *
     * @param tokens the stream; not copied
     * @param sequenceLength S
     * @param seed seed of the visiting order
     * @throws IllegalArgumentException if the stream is shorter than one window
     */
    public PackedWindows(int[] tokens, int sequenceLength, long seed) {
        if (sequenceLength < 1) {
            throw new IllegalArgumentException("sequenceLength must be positive, got " + sequenceLength);
        }
        if (tokens.length <= sequenceLength) {
            throw new IllegalArgumentException("a window of sequenceLength = " + sequenceLength + " needs "
                    + (sequenceLength + 1) + " tokens, the text has " + tokens.length
                    + "; give more text or a shorter sequence");
        }
        this.tokens = tokens;
        this.sequenceLength = sequenceLength;
        this.seed = seed;
    }

    /**
     * The number of windows.
     *
     * @return windows per epoch
     */
    public int size() {
        return (tokens.length - 1) / sequenceLength;
    }

    /**
     * The length of a window.
     *
     * @return S
     */
    public int sequenceLength() {
        return sequenceLength;
    }

    /**
     * A batch of shuffled windows. It depends on the arguments and the seed alone, not on earlier calls.
     *
     * @param manager who will own the arrays
     * @param index which batch, from 0
     * @param batchSize B
     * @return inputs {@code [B, S]} and labels {@code [B, S]}, int64
     */
    public NDList batch(NDManager manager, long index, int batchSize) {
        int[] windows = new int[batchSize];
        for (int i = 0; i < batchSize; i++) {
            long position = index * batchSize + i;
            windows[i] = shuffled(position / size())[(int) (position % size())];
        }
        return arrays(manager, windows);
    }

    /**
     * A batch of windows in the order of the text, for evaluation; the last batch may be smaller.
     *
     * @param manager who will own the arrays
     * @param first the first window
     * @param batchSize B
     * @return inputs and labels, int64, of at most B windows
     */
    public NDList sequentialBatch(NDManager manager, int first, int batchSize) {
        int[] windows = new int[Math.min(batchSize, size() - first)];
        for (int i = 0; i < windows.length; i++) {
            windows[i] = first + i;
        }
        return arrays(manager, windows);
    }

    private NDList arrays(NDManager manager, int[] windows) {
        long[] inputs = new long[windows.length * sequenceLength];
        long[] labels = new long[inputs.length];
        for (int i = 0; i < windows.length; i++) {
            int start = windows[i] * sequenceLength;
            for (int j = 0; j < sequenceLength; j++) {
                inputs[i * sequenceLength + j] = tokens[start + j];
                labels[i * sequenceLength + j] = tokens[start + j + 1];
            }
        }
        Shape shape = new Shape(windows.length, sequenceLength);
        NDArray input = manager.create(inputs, shape);
        return new NDList(input, manager.create(labels, shape));
    }

    private synchronized int[] shuffled(long epoch) {
        if (epoch != shuffledEpoch) {
            int[] windows = new int[size()];
            SplittableRandom random = new SplittableRandom(seed * 0xD1342543DE82EF95L + epoch);
            for (int i = 0; i < windows.length; i++) {
                int j = random.nextInt(i + 1);
                windows[i] = windows[j];
                windows[j] = i;
            }
            order = windows;
            shuffledEpoch = epoch;
        }
        return order;
    }
}
