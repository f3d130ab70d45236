package ai.molae.djl.data;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * A token stream cut into windows of S + 1 tokens, each giving S inputs and, one further, S labels. Windows follow each other without gap
 * (the last token of one is the first of the next) and are visited in an order that the seed and the epoch fix, every one once an
 * epoch.
 */
public final class PackedWindows implements TrainingData {

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
    @Override
    public long size() {
        return (tokens.length - 1) / sequenceLength;
    }

    /**
     * The length of a window.
     *
     * @return S
     */
    @Override
    public int sequenceLength() {
        return sequenceLength;
    }

    @Override
    public TokenBatch shuffled(long position, int count) {
        int[] windows = new int[count];
        for (int i = 0; i < count; i++) {
            long at = position + i;
            windows[i] = order(at / size())[(int) (at % size())];
        }
        return batch(windows);
    }

    @Override
    public TokenBatch inOrder(long first, int count) {
        int[] windows = new int[(int) Math.min(count, size() - first)];
        for (int i = 0; i < windows.length; i++) {
            windows[i] = (int) first + i;
        }
        return batch(windows);
    }

    @Override
    public String fingerprint() {
        return Integer.toHexString(Arrays.hashCode(tokens)) + "-" + sequenceLength + "-" + seed;
    }

    private TokenBatch batch(int[] windows) {
        long[] inputs = new long[windows.length * sequenceLength];
        long[] labels = new long[inputs.length];
        for (int i = 0; i < windows.length; i++) {
            int start = windows[i] * sequenceLength;
            for (int j = 0; j < sequenceLength; j++) {
                inputs[i * sequenceLength + j] = tokens[start + j];
                labels[i * sequenceLength + j] = tokens[start + j + 1];
            }
        }
        return new TokenBatch(windows.length, sequenceLength, inputs, labels, new long[0]);
    }

    private synchronized int[] order(long epoch) {
        if (epoch != shuffledEpoch) {
            int[] windows = new int[(int) size()];
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
