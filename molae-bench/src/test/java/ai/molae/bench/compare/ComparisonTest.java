package ai.molae.bench.compare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.molae.bench.compare.Change.Verdict;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
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
            quantities.put(Quantity.PRODUCTS, Estimate.of(1e12 / machine * Math.exp(0.02 * random.nextGaussian())));
            quantities.put(Quantity.READING, Estimate.of(1e10 / machine * Math.exp(0.02 * random.nextGaussian())));
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

    /** The first trial's layer has 10 MB, and memory hardly varies; but less than a mebibyte may be anybody's. */
    @Test
    void lessThanAMebibyteOfNativeMemoryIsNoChange() {
        assertThat(Comparison.of(run(1), withFirstRetaining(1.09e7)).changes(Verdict.REGRESSION))
                .isEmpty();
        assertThat(Comparison.of(run(1), withFirstRetaining(1.15e7)).changes(Verdict.REGRESSION))
                .singleElement()
                .satisfies(change -> assertThat(change.quantity()).isEqualTo(Quantity.RETAINED_BYTES));
    }

    private static List<Measured> withFirstRetaining(double bytes) {
        List<Measured> run = run(2);
        Measured first = run.get(0);
        Map<Quantity, Estimate> quantities = new EnumMap<>(first.quantities());
        quantities.put(Quantity.RETAINED_BYTES, Estimate.of(bytes));
        run.set(0, new Measured(first.name(), first.group(), quantities));
        return run;
    }

    @Test
    void whatOnlyOnePairOfRunsShowsIsNoChangeOfSeveralPairs() {
        Comparison slowMinute = Comparison.of(run(1), run(2, 1, "decode MOE", x -> 1.3 * x, x -> x));
        Comparison quiet = Comparison.of(run(3), run(4));
        Comparison change = Comparison.of(run(5), run(6, 1, "decode MOE", x -> 1.3 * x, x -> x));

        assertThat(slowMinute.hasRegressions()).isTrue();
        assertThat(slowMinute.confirmedBy(quiet).changes(Verdict.REGRESSION)).isEmpty();
        assertThat(quiet.confirmedBy(slowMinute).changes(Verdict.REGRESSION)).isEmpty();
        assertThat(slowMinute.confirmedBy(change).changes(Verdict.REGRESSION))
                .isNotEmpty()
                .allSatisfy(found -> assertThat(found.name()).startsWith("decode MOE"));
        assertThat(slowMinute.confirmedBy(quiet).trials()).hasSameSizeAs(slowMinute.trials());
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
    void aSlowerMachineOrKernelIsNamedWithItsCeilings() {
        Comparison comparison = Comparison.of(run(1), run(2, 1.5, "", x -> x, x -> x));

        assertThat(comparison.slower()).hasValueSatisfying(slower -> {
            assertThat(slower.trials()).hasSize(TRIALS);
            assertThat(slower.products()).isBetween(0.64, 0.69);
            assertThat(slower.reading()).isBetween(0.64, 0.69);
        });
        assertThat(comparison.ceilings()).hasSize(2 * GROUPS.size()).allSatisfy(change -> assertThat(change.verdict())
                .isEqualTo(Verdict.REGRESSION));
        assertThat(ComparisonTables.notes(comparison))
                .noneMatch(note -> note.contains("No regression"))
                .anyMatch(note -> note.startsWith(TRIALS + " trials took longer")
                        && note.contains("slower machine or slower kernels: products -3"));
        Comparison faster = Comparison.of(run(2, 1.5, "", x -> x, x -> x), run(1));
        assertThat(faster.slower()).isEmpty();
        assertThat(faster.ceilings())
                .allSatisfy(change -> assertThat(change.verdict()).isEqualTo(Verdict.IMPROVEMENT));
    }

    /** Eight trials of two megabytes: half of that is a mebibyte, which is never marked, however small the noise. */
    @Test
    void theSmallestChangeOfMemoryIsNeverLessThanWhatIsNegligible() {
        List<Measured> small = IntStream.range(0, 8)
                .mapToObj(i -> new Measured(
                        "trial " + i, "small", Map.of(Quantity.RETAINED_BYTES, Estimate.of(2e6, 2e6, 2e6))))
                .toList();

        Comparison comparison = Comparison.of(small, small);

        assertThat(comparison.resolutions()).singleElement().satisfies(resolution -> {
            assertThat(resolution.trial()).isEqualTo(0x1p20 / 2e6, within(1e-9));
            assertThat(resolution.group()).isEqualTo(0x1p20 / 2e6, within(1e-9));
        });
        assertThat(ComparisonTables.notes(comparison))
                .anyMatch(note -> note.contains("a single trial from +52.4 %")
                        && note.endsWith("; 1 MiB or less is never marked."));
    }

    @Test
    void whatIsSaidToBeTheSmallestChangeIsMarkedAndLessIsNot() {
        Resolution time = Comparison.of(run(1), run(2)).resolutions().stream()
                .filter(resolution -> resolution.quantity() == Quantity.TIME)
                .findFirst()
                .orElseThrow();

        assertThat(time.assumed()).isFalse();
        assertThat(time.largestGroup()).isEqualTo(TRIALS / GROUPS.size());
        assertThat(time.noise()).isBetween(0.03, 0.09);
        assertThat(time.group()).isLessThan(time.trial());
        // 1 % of noise is the least; 1.03 · e^(4 · 0.01) − 1
        Comparison quiet = Comparison.of(steady(1, 4), steady(1.071, 4));
        assertThat(quiet.resolutions().get(0).trial()).isEqualTo(1.03 * Math.exp(0.2) - 1, within(1e-9));
        assertThat(quiet.resolutions().get(0).assumed()).isTrue();
        Resolution known =
                Comparison.of(steady(1, 8), steady(1, 8)).resolutions().get(0);
        assertThat(known.trial()).isEqualTo(1.03 * Math.exp(0.04) - 1, within(1e-9));
        assertThat(Comparison.of(steady(1, 8), steady(1.001 + known.trial(), 8)).trials())
                .allSatisfy(change -> assertThat(change.verdict()).isEqualTo(Verdict.REGRESSION));
        assertThat(Comparison.of(steady(1, 8), steady(0.999 + known.trial(), 8)).trials())
                .allSatisfy(change -> assertThat(change.verdict()).isEqualTo(Verdict.SAME));
        assertThat(ComparisonTables.notes(quiet)).anyMatch(note -> note.contains("Smallest change marked, time"));
    }

    /** Trials of one group that take exactly so long. */
    private static List<Measured> steady(double millis, int trials) {
        return IntStream.range(0, trials)
                .mapToObj(i -> new Measured("t" + i, "g", Map.of(Quantity.TIME, Estimate.of(millis))))
                .toList();
    }

    /** Groups of two and one trial, and one whose trials vary much: the small ones neither count as noise nor form groups. */
    @Test
    void smallGroupsAmongNoisyOnesAreMarkedTrialByTrial() {
        List<Measured> before = new ArrayList<>();
        List<Measured> after = new ArrayList<>();
        double[] noisy = {0.8, 0.9, 1, 1.1, 1.2, 1.25, 0.75};
        for (int i = 0; i < noisy.length; i++) {
            before.add(trial("noisy " + i, "noisy", 10));
            after.add(trial("noisy " + i, "noisy", 10 * noisy[i]));
        }
        for (String name : List.of("pair 0", "pair 1", "single 0")) {
            before.add(trial(name, name.split(" ")[0], 10));
            after.add(trial(name, name.split(" ")[0], name.equals("pair 1") ? 50 : 11));
        }

        Comparison comparison = Comparison.of(before, after);

        assertThat(comparison.groups()).singleElement().satisfies(change -> assertThat(change.name())
                .isEqualTo("noisy, 7 trials"));
        assertThat(comparison.changes(Verdict.REGRESSION)).singleElement().satisfies(change -> assertThat(change.name())
                .isEqualTo("pair 1"));
        assertThat(comparison.resolutions()).singleElement().satisfies(resolution -> {
            assertThat(resolution.assumed()).isFalse();
            assertThat(resolution.noise()).isGreaterThan(0.15);
        });
    }

    private static Measured trial(String name, String group, double millis) {
        return new Measured(name, group, Map.of(Quantity.TIME, Estimate.of(millis)));
    }

    @Test
    void trialsThatTheSecondRunLacksAreARegressionUnlessItIsAPart() {
        List<Measured> part = run(2);
        Measured lost = part.remove(3);

        assertThat(Comparison.of(run(1), part).hasRegressions()).isTrue();
        assertThat(ComparisonTables.notes(Comparison.of(run(1), part)))
                .noneMatch(note -> note.contains("No regression"))
                .anyMatch(note -> note.startsWith("Regression") && note.contains(lost.name()));
        assertThat(Comparison.ofPart(run(1), part).hasRegressions()).isFalse();
        assertThat(Comparison.of(part, run(1)).hasRegressions()).isFalse();
    }

    @Test
    void runsWithNothingInCommonAreRefused() {
        List<Measured> other = List.of(trial("another one", "g", 1));

        assertThatThrownBy(() -> Comparison.ofPart(run(1), other))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("40 trials (forward MOE 0;")
                .hasMessageContaining("1 trials (another one)");
        assertThatThrownBy(() -> Comparison.of(run(1), List.of())).isInstanceOf(IllegalArgumentException.class);
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

        assertThat(disturbed.median()).isEqualTo(quiet.median(), within(0.11));
        assertThat(disturbed.relativeError()).isLessThan(0.02);
        assertThatThrownBy(() -> Estimate.of(Double.NaN)).isInstanceOf(IllegalArgumentException.class);
    }
}
