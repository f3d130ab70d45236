package ai.molae.djl.train.metrics;

import ai.molae.djl.train.metrics.StepBuckets.Span;
import java.util.List;

/** How a layer's load spread over its experts as training went on. */
final class LoadHistory {

    private static final int COLUMNS = 160;
    private static final double RECENT = 0.1;

    private final StepBuckets<long[]> columns = new StepBuckets<>(COLUMNS, LoadHistory::sum);

    private static long[] sum(long[] a, long[] b) {
        long[] sum = a.clone();
        for (int i = 0; i < sum.length; i++) {
            sum[i] += b[i];
        }
        return sum;
    }

    void add(long step, long[] counts) {
        columns.add(step, counts);
    }

    /** Spans of steps. */
    List<Span<long[]>> columns() {
        return columns.spans();
    }

    /** The tokens per expert over the last tenth of the steps. */
    long[] recent() {
        List<Span<long[]>> all = columns.spans();
        int from = Math.max(0, all.size() - Math.max(1, (int) Math.ceil(RECENT * all.size())));
        long[] total = all.get(from).value();
        for (int i = from + 1; i < all.size(); i++) {
            total = sum(total, all.get(i).value());
        }
        return total;
    }
}
