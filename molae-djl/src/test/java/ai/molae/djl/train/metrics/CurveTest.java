package ai.molae.djl.train.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.djl.chart.Point;
import ai.molae.djl.train.LmTrainingListener.Evaluation;
import ai.molae.djl.train.metrics.StepBuckets.Span;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a report keeps of a run. */
class CurveTest {

    @Test
    void aShortCurveKeepsEveryPoint() {
        Curve curve = new Curve();
        curve.add(1, 3);
        curve.add(2, Double.NaN);
        curve.add(3, Double.POSITIVE_INFINITY);
        curve.add(5, 2);

        assertThat(curve.points()).containsExactly(new Point(1, 3), new Point(5, 2));
    }

    /** A sawtooth of 0 and 1 with a spike and a dip in a million steps. */
    @Test
    void aLongCurveKeepsItsExtremesInAThousandPoints() {
        Curve curve = new Curve();
        for (long step = 1; step <= 1_000_000; step++) {
            curve.add(step, step == 333_333 ? 50 : step == 777_777 ? -50 : (double) (step % 2));
        }

        List<Point> points = curve.points();
        assertThat(points).hasSizeBetween(400, 1000).contains(new Point(333_333, 50), new Point(777_777, -50));
        assertThat(points).extracting(Point::x).isSorted().doesNotHaveDuplicates();
        assertThat(points.get(points.size() - 1).x()).isGreaterThan(990_000);
        assertThat(curve.recent()).isCloseTo(0.5, within(0.01));
        assertThat(curve.greatest()).isEqualTo(50);
        assertThat(curve.smoothed()).allSatisfy(point -> assertThat(point.y()).isBetween(0.4, 0.6));
    }

    @Test
    void aStepThatIsFarOutDoesNotMoveTheSmoothedCurve() {
        Curve curve = new Curve();
        for (long step = 1; step <= 9; step++) {
            curve.add(step, step == 5 ? 100 : 1);
        }

        assertThat(curve.smoothed()).hasSize(9).allSatisfy(point -> assertThat(point.y())
                .isEqualTo(1));
    }

    @Test
    void spansAreMergedInTheOrderOfTheirSteps() {
        StepBuckets<String> buckets = new StepBuckets<>(4, String::concat);
        for (String letter : List.of("a", "b", "c", "d")) {
            buckets.add(letter.charAt(0) - 'a', letter);
        }
        assertThat(buckets.spans()).extracting(Span::value).containsExactly("a", "b", "c", "d");
        buckets.add(4, "e");
        assertThat(buckets.spans())
                .containsExactly(new Span<>(0, 1, "ab"), new Span<>(2, 3, "cd"), new Span<>(4, 4, "e"));
    }

    /** A checkpoint from elsewhere may begin late, and evaluations may be few. */
    @Test
    void stepsThatAreFarApartFitToo() {
        StepBuckets<Long> buckets = new StepBuckets<>(4, Long::sum);
        for (long step = 1; step < 1L << 40; step *= 4) {
            buckets.add(1_000_000_000_000_000L + step, 1L);
        }
        assertThat(buckets.spans()).hasSizeBetween(1, 4);
        assertThat(buckets.spans().stream().mapToLong(Span::value).sum()).isEqualTo(20);
    }

    @Test
    void anEvaluationThatIsRepeatedCountsOnce() {
        RunCurves run = new RunCurves("run");
        run.onEvaluation(new Evaluation(5, 3, 1));
        run.onEvaluation(new Evaluation(10, 2, 1));
        run.onEvaluation(new Evaluation(10, 1, 1));

        assertThat(run.validation()).containsExactly(new Point(5, 3), new Point(10, 1));
    }

    @Test
    void recentLoadIsThatOfTheLastTenth() {
        LoadHistory history = new LoadHistory();
        for (int step = 1; step <= 20; step++) {
            history.add(step, step <= 18 ? new long[] {8, 0} : new long[] {1, 7});
        }

        assertThat(history.recent()).containsExactly(2, 14);
    }
}
