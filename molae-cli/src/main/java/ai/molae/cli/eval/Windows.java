package ai.molae.cli.eval;

import java.util.ArrayList;
import java.util.List;

/** Cuts a stream into what a model reads at once. */
final class Windows {

    /**
     * What is read together: the tokens {@code [begin, end)}, which predict those at {@code begin + 1} to {@code end}.
     *
     * @param begin the first position that is read
     * @param firstScored the first position that is predicted and not already so by the window before
     * @param end the last position that is predicted
     */
    record Window(int begin, int firstScored, int end) {

        int length() {
            return end - begin;
        }
    }

    private Windows() {}

    /**
     * Windows of one length, the last one shorter, that begin {@code stride} positions apart and predict every position but the first
     * exactly once: a window leaves what it has in common with the one before to that.
     *
     * @param size the stream's length, at least 2
     * @param sequence the most positions of a window
     * @param stride at most {@code sequence}
     */
    static List<Window> of(int size, int sequence, int stride) {
        List<Window> windows = new ArrayList<>();
        int next = 1;
        for (int begin = 0; next < size; begin += stride) {
            int end = (int) Math.min((long) begin + sequence, size - 1);
            windows.add(new Window(begin, next, end));
            next = end + 1;
        }
        return windows;
    }

    /** Consecutive windows of equal length, at most so many together. */
    static List<List<Window>> batches(List<Window> windows, int batchSize) {
        List<List<Window>> batches = new ArrayList<>();
        List<Window> batch = new ArrayList<>();
        for (Window window : windows) {
            if (batch.size() == batchSize || (!batch.isEmpty() && batch.get(0).length() != window.length())) {
                batches.add(batch);
                batch = new ArrayList<>();
            }
            batch.add(window);
        }
        batches.add(batch);
        return batches;
    }
}
