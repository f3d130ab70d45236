package ai.molae.djl.train.metrics;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.BinaryOperator;

/**
 * What happened in spans of steps, of which there are never more than a limit: when more are needed, two neighbours become one. So a run of a million
 * steps takes as little memory as one of a thousand.
 *
 * @param <T> what is kept of a span
 */
final class StepBuckets<T> {

    private final int limit;
    private final BinaryOperator<T> merge;
    private List<Span<T>> spans = new ArrayList<>();
    private long width = 1;

    /** Steps from the first to the last of which there was something. */
    record Span<T>(long first, long last, T value) {}

    StepBuckets(int limit, BinaryOperator<T> merge) {
        this.limit = limit;
        this.merge = merge;
    }

    /** Adds what happened at a step that is not before those added. */
    void add(long step, T value) {
        append(spans, new Span<>(step, step, value));
        while (spans.size() > limit) {
            width *= 2;
            List<Span<T>> wider = new ArrayList<>();
            spans.forEach(span -> append(wider, span));
            spans = wider;
        }
    }

    private void append(List<Span<T>> list, Span<T> span) {
        Span<T> last = list.isEmpty() ? null : list.get(list.size() - 1);
        if (last != null && last.first() / width == span.last() / width) {
            list.set(list.size() - 1, new Span<>(last.first(), span.last(), merge.apply(last.value(), span.value())));
        } else {
            list.add(span);
        }
    }

    List<Span<T>> spans() {
        return Collections.unmodifiableList(spans);
    }
}
