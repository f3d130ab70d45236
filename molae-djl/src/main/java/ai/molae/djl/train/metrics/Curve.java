package ai.molae.djl.train.metrics;

import ai.molae.djl.chart.Point;
import ai.molae.djl.train.metrics.StepBuckets.Span;
import java.util.ArrayList;
import java.util.List;

/** A quantity over all steps, thinned out so that its extremes stay. What is not finite is left out. */
final class Curve {

    /** Two points each. */
    private static final int SPANS = 500;

    /** A smoothed curve looks this part of all steps ahead and back. */
    private static final int SMOOTHING = 60;

    private final StepBuckets<Extent> spans = new StepBuckets<>(SPANS, Extent::plus);

    void add(long step, double value) {
        if (Double.isFinite(value)) {
            spans.add(step, Extent.of(step, value));
        }
    }

    boolean isEmpty() {
        return spans.spans().isEmpty();
    }

    /** The least and the greatest value of each span, in the order of their steps. */
    List<Point> points() {
        List<Point> points = new ArrayList<>();
        for (Span<Extent> span : spans.spans()) {
            Extent extent = span.value();
            Point least = new Point(extent.leastStep(), extent.least());
            Point greatest = new Point(extent.greatestStep(), extent.greatest());
            points.add(least.x() <= greatest.x() ? least : greatest);
            if (least.x() != greatest.x()) {
                points.add(least.x() <= greatest.x() ? greatest : least);
            }
        }
        return points;
    }

    /**
     * The medians of the means of neighbouring spans, which one step that is far out does not move; as many after as before, so that a steep
     * beginning does not move either.
     */
    List<Point> smoothed() {
        List<Span<Extent>> all = spans.spans();
        int reach = reach();
        List<Point> points = new ArrayList<>();
        for (int i = 0; i < all.size(); i++) {
            int before = Math.min(reach, i);
            int after = Math.min(before, all.size() - 1 - i);
            double[] means = all.subList(i - before, i + after + 1).stream()
                    .mapToDouble(span -> span.value().mean())
                    .sorted()
                    .toArray();
            double median = (means[(means.length - 1) / 2] + means[means.length / 2]) / 2;
            points.add(new Point((all.get(i).first() + all.get(i).last()) / 2, median));
        }
        return points;
    }

    private int reach() {
        return Math.max(1, spans.spans().size() / SMOOTHING);
    }

    /** The mean over the last steps, NaN if there is none. */
    double recent() {
        List<Span<Extent>> all = spans.spans();
        return all.subList(Math.max(0, all.size() - 1 - reach()), all.size()).stream()
                .map(Span::value)
                .reduce(Extent::plus)
                .map(Extent::mean)
                .orElse(Double.NaN);
    }

    double greatest() {
        return spans.spans().stream()
                .mapToDouble(span -> span.value().greatest())
                .max()
                .orElse(Double.NaN);
    }
}
