package ai.molae.bench.compare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.molae.bench.compare.Change.Verdict;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ComparisonTest {

    private static final int TRIALS = 40;
    private static final int ITERATIONS = 7;
    private static final List<String> GROUPS = List.of("forward MOE", "forward MOLAE", "decode MOE", "decode MOLAE");

    /** A run whose processes differ by 4 %, on a machine of some speed, with something done to the times or bytes of a group. */
    private static List<Measured> run(
            long seed, double machine, String changed, DoubleUnaryOperator time, DoubleUnaryOperator bytes) {
        Random random = new Random(seed);
        List<Measured> trials = new ArrayList<>();
        for (int i = 0; i < TRIALS; i++) {
            String group = GROUPS.get(i % GROUPS.size());
            double millis = (i + 1) * machine * Math.exp(0.04 * random.nextGaussian());
            double size = (i + 1) * 1e7 + 1e5 * random.nextDouble();
            if (group.equals(changed)) {
                millis = time.applyAsDouble(millis);
                size = bytes.applyAsDouble(size);
            }
            double[] iterations = new double[ITERATIONS];
            double[] overRoofline = new double[ITERATIONS];
            for (int k = 0; k < ITERATIONS; k++) {
                iterations[k] = millis * Math.exp(0.03 * random.nextGaussian());
                overRoofline[k] = iterations[k] / machine / (i + 1);
            }
            Map<Quantity, Estimate> quantities = new EnumMap<>(Quantity.class);
            quantities.put(Quantity.TIME, Estimate.of(iterations));
            quantities.put(Quantity.TIME_OVER_ROOFLINE, Estimate.of(overRoofline));
            quantities.put(Quantity.RETAINED_BYTES, Estimate.of(size));
            trials.add(new Measured(group + " " + i, group, quantities));
        }
        return trials;
    }

    private static List<Measured> run(long seed) {
        return run(seed, 1, "", x -> x, x -> x);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
    void twoRunsOfOneProgramShowNothing(long seed) {
        Comparison comparison = Comparison.of(run(seed), run(seed + 1000));

        assertThat(comparison.changes(Verdict.REGRESSION)).isEmpty();
        assertThat(comparison.changes(Verdict.IMPROVEMENT)).isEmpty();
        assertThat(comparison.trials()).hasSize(2 * TRIALS);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void aSlowdownOfATwentiethPartMoreThanNoiseIsFoundInItsGroupOnly(long seed) {
        Comparison comparison = Comparison.of(run(seed), run(seed + 1000, 1, "decode MOE", x -> 1.2 * x, x -> x));

        assertThat(comparison.hasRegressions()).isTrue();
        assertThat(comparison.groups().stream().filter(change -> change.verdict() == Verdict.REGRESSION))
                .singleElement()
                .satisfies(change -> {
                    assertThat(change.name()).startsWith("decode MOE");
                    assertThat(change.quantity()).isEqualTo(Quantity.TIME);
                    assertThat(change.ratio()).isBetween(1.1, 1.3);
                    assertThat(change.low()).isLessThan(change.ratio());
                });
        assertThat(Comparison.of(run(seed + 1000, 1, "decode MOE", x -> 1.2 * x, x -> x), run(seed))
                        .changes(Verdict.IMPROVEMENT))
                .isNotEmpty();
    }

    @Test
    void tenPercentMoreMemoryIsFound() {
        Comparison comparison = Comparison.of(run(1), run(2, 1, "forward MOLAE", x -> x, x -> 1.1 * x));

        assertThat(comparison.changes(Verdict.REGRESSION)).isNotEmpty().allSatisfy(change -> {
            assertThat(change.quantity()).isEqualTo(Quantity.RETAINED_BYTES);
            assertThat(change.name()).startsWith("forward MOLAE");
        });
        // The group and each of its trials: memory hardly varies.
        assertThat(comparison.changes(Verdict.REGRESSION)).hasSize(1 + TRIALS / GROUPS.size());
    }

    @Test
    void oneTrialThatBecameMuchSlowerIsFound() {
        List<Measured> after = run(2);
        Measured slow = after.get(17);
        Map<Quantity, Estimate> doubled = new EnumMap<>(slow.quantities());
        doubled.replaceAll((quantity, estimate) -> new Estimate(2 * estimate.median(), estimate.relativeError()));
        after.set(17, new Measured(slow.name(), slow.group(), doubled));

        assertThat(Comparison.of(run(1), after).changes(Verdict.REGRESSION))
                .extracting(Change::name)
                .contains(slow.name());
    }

    @Test
    void aSlowerMachineIsNoRegression() {
        Comparison comparison = Comparison.of(run(1), run(2, 1.5, "", x -> x, x -> x));

        assertThat(comparison.hasRegressions()).isFalse();
    }

    @Test
    void trialsOfOneRunOnlyAreNamed() {
        List<Measured> before = run(1);
        List<Measured> after = run(2);
        Measured lost = after.remove(3);
        Measured old = before.remove(5);

        Comparison comparison = Comparison.of(before, after);

        assertThat(comparison.onlyBefore()).containsExactly(lost.name());
        assertThat(comparison.onlyAfter()).containsExactly(old.name());
        assertThat(ComparisonTables.notes(comparison)).anyMatch(note -> note.contains(lost.name()));
    }

    @Test
    void aRunWithTwoResultsOfOneTrialIsRefused() {
        List<Measured> twice = new ArrayList<>(run(1));
        twice.add(twice.get(0));

        assertThatThrownBy(() -> Comparison.of(twice, run(2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(twice.get(0).name());
    }

    @Test
    void outliersOfARunDoNotCount() {
        Estimate quiet = Estimate.of(10, 10.1, 9.9, 10, 10.2, 9.8, 10);
        Estimate disturbed = Estimate.of(10, 10.1, 9.9, 10, 10.2, 9.8, 80);

        assertThat(disturbed.median()).isEqualTo(quiet.median(), org.assertj.core.api.Assertions.within(0.11));
        assertThat(disturbed.relativeError()).isLessThan(0.02);
        assertThatThrownBy(() -> Estimate.of(Double.NaN)).isInstanceOf(IllegalArgumentException.class);
    }
}
