package ai.molae.bench.soak;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The judge of a soak run, on invented readings of a process that holds 180 MB. */
class TrendTest {

    private static final int ROUNDS = 200;
    private static final double LEVEL = 180e6;

    private static Trend trend(Gauge gauge, IntToDoubleFunction reading) {
        double[] rounds = new double[ROUNDS];
        double[] readings = new double[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            rounds[i] = i + 1;
            readings[i] = reading.applyAsDouble(i);
        }
        return Trend.of(rounds, readings, gauge);
    }

    /** 1 % more over the judged half, among noise of a third of that. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void aLeakOfOnePercentIsFoundAmongNoise(long seed) {
        Random random = new Random(seed);

        Trend trend =
                trend(Gauge.NATIVE, i -> LEVEL * (1 + 0.01 * i / (ROUNDS / 2.0) + 0.0033 * random.nextGaussian()));

        assertThat(trend.grows()).isTrue();
        assertThat(trend.slope()).isCloseTo(0.01 * LEVEL / (ROUNDS / 2.0), within(4 * trend.error()));
        assertThat(trend.lastMedian()).isGreaterThan(trend.firstMedian());
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
    void noiseDoesNotGrow(long seed) {
        Random random = new Random(seed);

        assertThat(trend(Gauge.NATIVE, i -> LEVEL * (1 + 0.03 * random.nextGaussian()))
                        .grows())
                .isFalse();
    }

    /** Each reading remembers most of the one before: it wanders, and comes back. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
    void noiseThatWandersDoesNotGrow(long seed) {
        Random random = new Random(seed);
        double[] wandering = new double[1];

        assertThat(trend(Gauge.NATIVE, i -> {
                            wandering[0] = 0.9 * wandering[0] + 0.01 * random.nextGaussian();
                            return LEVEL * (1 + wandering[0]);
                        })
                        .grows())
                .isFalse();
    }

    @Test
    void whatFillsUpInTheFirstHalfDoesNotGrow() {
        Trend trend = trend(Gauge.NATIVE, i -> LEVEL * (1 - Math.exp(-i / 8.0)));

        assertThat(trend.grows()).isFalse();
        assertThat(trend.firstMedian()).isCloseTo(LEVEL, within(1e3));
    }

    /** A line without any noise, which rises by less than anybody would miss, and by more. */
    @Test
    void aRiseWithinTheToleranceDoesNotGrow() {
        double tolerance = Gauge.NATIVE.tolerance(LEVEL);

        assertThat(trend(Gauge.NATIVE, i -> LEVEL + 0.9 * tolerance * i / (ROUNDS / 2.0))
                        .grows())
                .isFalse();
        assertThat(trend(Gauge.NATIVE, i -> LEVEL + 1.1 * tolerance * i / (ROUNDS / 2.0))
                        .grows())
                .isTrue();
    }

    @Test
    void aThreadThatIsLeftBehindEveryFiftyRoundsIsFound() {
        assertThat(trend(Gauge.JAVA_THREADS, i -> 8 + i / 50).grows()).isTrue();
        assertThat(trend(Gauge.JAVA_THREADS, i -> 8 + i % 2).grows()).isFalse();
        assertThat(trend(Gauge.JAVA_THREADS, i -> 8).grows()).isFalse();
    }

    @Test
    void whatShrinksOrCannotBeReadDoesNotGrow() {
        assertThat(trend(Gauge.NATIVE, i -> LEVEL - 1e5 * i).grows()).isFalse();
        assertThat(trend(Gauge.NATIVE, i -> Double.NaN).grows()).isFalse();
    }

    @Test
    void aFewReadingsAreNoTrend() {
        assertThatThrownBy(() -> Trend.of(new double[14], new double[14], Gauge.NATIVE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("needs 16 readings, there are 14");
    }
}
