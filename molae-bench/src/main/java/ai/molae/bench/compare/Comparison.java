package ai.molae.bench.compare;

import ai.molae.bench.compare.Change.Verdict;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Two runs side by side. Two runs of one program differ too: a process finds other pages, other neighbours, another clock. How much shows in the
 * differences themselves: l is the logarithm of after over before of a trial,
 *
 * <pre>
 *   σ    = 1.4826 · median |l − median of l in its group|, at least 1 %: the noise between two processes
 *   s²   = e²(before) + e²(after) + σ²          e: standard error within a process, relative
 *   a trial changed  if  |l| − 4 s                    &gt; ln(1 + threshold)
 *   a group changed  if  |mean l| − 3 · σ / √trials   &gt; ln(1 + threshold)
 * </pre>
 *
 * A change of one trial has to stand out from the noise; one that all trials of a group share is found when it is much smaller. Where a time over the roofline is known
 * too, both must have changed in the same direction, and the smaller counts: a machine that was slower for a while is no regression.
 */
public final class Comparison {

    /** Times of trials may differ so much without anybody calling it a regression. */
    private static final double THRESHOLD = 0.03;

    private static final double LEAST_NOISE = 0.01;

    /** With fewer trials their spread says nothing, and this is taken for it. */
    private static final int TRIALS_FOR_NOISE = 6;

    private static final double USUAL_NOISE = 0.05;

    /** Of a hundred trials none should stand out by chance. */
    private static final double TRIAL_SIGMAS = 4;

    /** There are few groups. */
    private static final double GROUP_SIGMAS = 3;

    private static final double MAD_OF_NORMAL = 1.4826;
    private static final int LEAST_GROUP = 3;

    private final List<Change> trials = new ArrayList<>();
    private final List<Change> groups = new ArrayList<>();
    private final List<String> onlyBefore;
    private final List<String> onlyAfter;

    private record Pair(Measured before, Measured after) {}

    /** The difference of a trial: the change that counts, and those whose spread is noise. */
    private record Difference(
            String name, String group, Estimate before, Estimate after, double log, List<Double> measured) {
        double ownVariance() {
            return before.relativeError() * before.relativeError() + after.relativeError() * after.relativeError();
        }
    }

    private Comparison(Collection<Measured> before, Collection<Measured> after) {
        Map<String, Measured> olds = byName(before);
        Map<String, Measured> news = byName(after);
        onlyBefore = missing(olds, news);
        onlyAfter = missing(news, olds);
        List<Pair> pairs = olds.values().stream()
                .flatMap(old ->
                        Optional.ofNullable(news.get(old.name())).stream().map(now -> new Pair(old, now)))
                .toList();
        for (Quantity quantity : Quantity.values()) {
            if (quantity != Quantity.TIME_OVER_ROOFLINE) {
                compare(quantity, pairs);
            }
        }
    }

    /**
     * Compares two runs.
     *
     * @param before trials of the run that is the measure
     * @param after trials of the other run
     * @return the changes
     */
    public static Comparison of(Collection<Measured> before, Collection<Measured> after) {
        return new Comparison(before, after);
    }

    /**
     * Every trial that both runs have.
     *
     * @return its changes, by quantity in the order of the enum
     */
    public List<Change> trials() {
        return List.copyOf(trials);
    }

    /**
     * Every group of at least three trials.
     *
     * @return its changes
     */
    public List<Change> groups() {
        return List.copyOf(groups);
    }

    /**
     * Whether anything became worse.
     *
     * @return true if a trial or a group regressed
     */
    public boolean hasRegressions() {
        return !changes(Verdict.REGRESSION).isEmpty();
    }

    /**
     * The changes of a kind, groups first.
     *
     * @param verdict the kind
     * @return the changes
     */
    public List<Change> changes(Verdict verdict) {
        List<Change> all = new ArrayList<>(groups);
        all.addAll(trials);
        return all.stream().filter(change -> change.verdict() == verdict).toList();
    }

    /**
     * Trials of the first run that the second lacks.
     *
     * @return their names
     */
    public List<String> onlyBefore() {
        return onlyBefore;
    }

    /**
     * Trials of the second run that the first lacks.
     *
     * @return their names
     */
    public List<String> onlyAfter() {
        return onlyAfter;
    }

    private static Map<String, Measured> byName(Collection<Measured> run) {
        Map<String, Measured> byName = new LinkedHashMap<>();
        for (Measured trial : run) {
            if (byName.put(trial.name(), trial) != null) {
                throw new IllegalArgumentException(
                        "a run has two results of " + trial.name() + "; compare runs, not sums of runs");
            }
        }
        return byName;
    }

    private static List<String> missing(Map<String, Measured> here, Map<String, Measured> there) {
        return here.keySet().stream().filter(name -> !there.containsKey(name)).toList();
    }

    private void compare(Quantity quantity, List<Pair> pairs) {
        List<Difference> differences = pairs.stream()
                .flatMap(pair -> difference(quantity, pair).stream())
                .toList();
        Map<String, List<Difference>> byGroup = differences.stream()
                .collect(Collectors.groupingBy(Difference::group, TreeMap::new, Collectors.toList()));
        double noise = noise(byGroup.values());
        for (Difference difference : differences) {
            double error = TRIAL_SIGMAS * Math.sqrt(difference.ownVariance() + noise * noise);
            trials.add(change(
                    difference.name(),
                    quantity,
                    difference.before().median(),
                    difference.after().median(),
                    difference.log(),
                    error));
        }
        byGroup.forEach((group, members) -> {
            if (members.size() >= LEAST_GROUP) {
                double mean =
                        members.stream().mapToDouble(Difference::log).average().orElseThrow();
                groups.add(change(
                        group + ", " + members.size() + " trials",
                        quantity,
                        geometricMean(members.stream().map(Difference::before).toList()),
                        geometricMean(members.stream().map(Difference::after).toList()),
                        mean,
                        GROUP_SIGMAS * noise / Math.sqrt(members.size())));
            }
        });
    }

    private static Optional<Difference> difference(Quantity quantity, Pair pair) {
        Estimate before = pair.before().quantities().get(quantity);
        Estimate after = pair.after().quantities().get(quantity);
        if (before == null || after == null) {
            return Optional.empty();
        }
        double log = log(before, after);
        Optional<Double> overRoofline = quantity == Quantity.TIME ? overRoofline(pair) : Optional.empty();
        return Optional.of(new Difference(
                pair.before().name(),
                pair.before().group(),
                before,
                after,
                overRoofline.map(other -> agreed(log, other)).orElse(log),
                Stream.concat(Stream.of(log), overRoofline.stream()).toList()));
    }

    private static Optional<Double> overRoofline(Pair pair) {
        Estimate before = pair.before().quantities().get(Quantity.TIME_OVER_ROOFLINE);
        Estimate after = pair.after().quantities().get(Quantity.TIME_OVER_ROOFLINE);
        return before == null || after == null ? Optional.empty() : Optional.of(log(before, after));
    }

    private static double log(Estimate before, Estimate after) {
        return Math.log(after.median() / before.median());
    }

    /** The smaller of both changes if they have one direction, else none. */
    private static double agreed(double time, double overRoofline) {
        if (Math.signum(time) != Math.signum(overRoofline)) {
            return 0;
        }
        return Math.abs(time) < Math.abs(overRoofline) ? time : overRoofline;
    }

    /** Of time and time over roofline, whichever is noisier. */
    private static double noise(Collection<List<Difference>> groups) {
        int quantities = groups.stream()
                .flatMap(List::stream)
                .mapToInt(difference -> difference.measured().size())
                .min()
                .orElse(0);
        return IntStream.range(0, quantities)
                .mapToDouble(which -> noise(groups, which))
                .max()
                .orElse(USUAL_NOISE);
    }

    private static double noise(Collection<List<Difference>> groups, int which) {
        double[] deviations = groups.stream()
                .filter(group -> group.size() >= LEAST_GROUP)
                .flatMap(group -> {
                    double middle = Estimate.median(group.stream()
                            .mapToDouble(difference -> difference.measured().get(which))
                            .toArray());
                    return group.stream()
                            .map(difference -> Math.abs(difference.measured().get(which) - middle));
                })
                .mapToDouble(Double::doubleValue)
                .toArray();
        return deviations.length < TRIALS_FOR_NOISE
                ? USUAL_NOISE
                : Math.max(LEAST_NOISE, MAD_OF_NORMAL * Estimate.median(deviations));
    }

    private static Change change(
            String name, Quantity quantity, double before, double after, double log, double error) {
        double limit = Math.log1p(THRESHOLD);
        Verdict verdict =
                log - error > limit ? Verdict.REGRESSION : log + error < -limit ? Verdict.IMPROVEMENT : Verdict.SAME;
        return new Change(name, quantity, before, after, Math.exp(log - error), Math.exp(log + error), verdict);
    }

    private static double geometricMean(List<Estimate> estimates) {
        return Math.exp(Arrays.stream(estimates.stream()
                        .mapToDouble(estimate -> Math.log(estimate.median()))
                        .toArray())
                .average()
                .orElseThrow());
    }
}
