package ai.molae.bench.compare;

import ai.molae.bench.compare.Change.Verdict;
import ai.molae.bench.results.Quartiles;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
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
 * A change of one trial has to stand out from the noise; one that all trials of a group share is found when it is smaller: {@link #resolutions()} says from what
 * size on. Where a time over the roofline is known too, both must have changed in the same direction, and the smaller counts. The ceilings of the roofline are
 * measured with the library's own products and threads: when time grows and they fall, {@link #slower()} says so, since a slower machine and a slower kernel look alike.
 */
public final class Comparison {

    /** Times of trials may differ so much without anybody calling it a regression. */
    private static final double THRESHOLD = 0.03;

    private static final double LIMIT = Math.log1p(THRESHOLD);
    private static final int NAMED = 3;

    private final List<Change> trials = new ArrayList<>();
    private final List<Change> groups = new ArrayList<>();
    private final List<Change> ceilings = new ArrayList<>();
    private final List<Resolution> resolutions = new ArrayList<>();
    private final Set<String> slower = new LinkedHashSet<>();
    private final List<Pair> pairs;
    private final List<String> onlyBefore;
    private final List<String> onlyAfter;
    private final boolean partial;

    private record Pair(Measured before, Measured after) {}

    private Comparison(Collection<Measured> before, Collection<Measured> after, boolean partial) {
        Map<String, Measured> olds = byName(before);
        Map<String, Measured> news = byName(after);
        this.partial = partial;
        onlyBefore = missing(olds, news);
        onlyAfter = missing(news, olds);
        pairs = olds.values().stream()
                .flatMap(old ->
                        Optional.ofNullable(news.get(old.name())).stream().map(now -> new Pair(old, now)))
                .toList();
        if (pairs.isEmpty()) {
            throw new IllegalArgumentException("the runs have no trial in common: the first has " + some(olds)
                    + ", the second " + some(news) + "; compare runs with the same options");
        }
        for (Quantity quantity : Quantity.values()) {
            if (quantity != Quantity.TIME_OVER_ROOFLINE) {
                compare(quantity);
            }
        }
    }

    /** What both say; figures are the first's. */
    private Comparison(Comparison first, Comparison second) {
        partial = first.partial;
        pairs = first.pairs;
        onlyBefore = union(first.onlyBefore, second.onlyBefore);
        onlyAfter = union(first.onlyAfter, second.onlyAfter);
        first.trials.forEach(change -> trials.add(change.confirmedBy(second.trials)));
        first.groups.forEach(change -> groups.add(change.confirmedBy(second.groups)));
        ceilings.addAll(first.ceilings);
        resolutions.addAll(first.resolutions);
        slower.addAll(first.slower);
        slower.retainAll(second.slower);
    }

    private static List<String> union(List<String> first, List<String> second) {
        return Stream.concat(first.stream(), second.stream()).distinct().toList();
    }

    /**
     * Takes back what another comparison does not mark too. For runs made in turns, before, after, before, after: a machine that is slower for minutes marks something in one pair of
     * them, a change of the program marks it in all.
     *
     * @param other of another pair of runs of the same programs
     * @return this one's figures with the verdicts that both share; trials missing in either are missing
     */
    public Comparison confirmedBy(Comparison other) {
        return new Comparison(this, other);
    }

    /**
     * Compares two runs. A trial that only the first has is a regression: it failed, or is gone.
     *
     * @param before trials of the run that is the measure
     * @param after trials of the other run
     * @return the changes
     * @throws IllegalArgumentException if they have no trial in common, or one of them has two results of one
     */
    public static Comparison of(Collection<Measured> before, Collection<Measured> after) {
        return new Comparison(before, after, false);
    }

    /**
     * Compares two runs of which the second may be a part of the first.
     *
     * @param before trials of the run that is the measure
     * @param after some of them from another run
     * @return the changes
     * @throws IllegalArgumentException if they have no trial in common, or one of them has two results of one
     */
    public static Comparison ofPart(Collection<Measured> before, Collection<Measured> after) {
        return new Comparison(before, after, true);
    }

    /**
     * Every trial that both runs have.
     *
     * @return its changes, by quantity in the order of the enum, without the ceilings
     */
    public List<Change> trials() {
        return List.copyOf(trials);
    }

    /**
     * Every group of at least three trials.
     *
     * @return its changes, without the ceilings
     */
    public List<Change> groups() {
        return List.copyOf(groups);
    }

    /**
     * The ceilings in every group of at least three trials. They are no regression of the group's benchmark.
     *
     * @return their changes
     */
    public List<Change> ceilings() {
        return List.copyOf(ceilings);
    }

    /**
     * How small a change could have been found.
     *
     * @return one for every quantity that both runs have
     */
    public List<Resolution> resolutions() {
        return List.copyOf(resolutions);
    }

    /**
     * Trials that took longer beyond noise, but not measured by the ceilings.
     *
     * @return empty if there are none
     */
    public Optional<Slower> slower() {
        return slower.isEmpty()
                ? Optional.empty()
                : Optional.of(new Slower(List.copyOf(slower), ceiling(Quantity.PRODUCTS), ceiling(Quantity.READING)));
    }

    private double ceiling(Quantity quantity) {
        return Math.exp(pairs.stream()
                .filter(pair -> slower.contains(pair.before().name()))
                .flatMap(pair -> Difference.of(quantity, pair.before(), pair.after()).stream())
                .mapToDouble(Difference::log)
                .average()
                .orElse(Double.NaN));
    }

    /**
     * Whether anything became worse.
     *
     * @return true if a trial or a group regressed, or a trial is missing and the second run is no part
     */
    public boolean hasRegressions() {
        return !changes(Verdict.REGRESSION).isEmpty() || isIncomplete();
    }

    /**
     * Whether the second run lacks trials that it should have.
     *
     * @return false if it has all, or may be a part
     */
    public boolean isIncomplete() {
        return !partial && !onlyBefore.isEmpty();
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

    private static String some(Map<String, Measured> run) {
        return run.size() + " trials"
                + run.keySet().stream()
                        .limit(NAMED)
                        .collect(Collectors.joining("; ", " (", run.size() > NAMED ? "; …)" : ")"));
    }

    private void compare(Quantity quantity) {
        List<Difference> differences = pairs.stream()
                .flatMap(pair -> Difference.of(quantity, pair.before(), pair.after()).stream())
                .toList();
        if (differences.isEmpty()) {
            return;
        }
        Map<String, List<Difference>> byGroup = differences.stream()
                .collect(Collectors.groupingBy(Difference::group, TreeMap::new, Collectors.toList()));
        Noise noise = Noise.of(byGroup.values());
        for (Difference difference : differences) {
            Change change = change(difference.name(), quantity, List.of(difference), noise.ofTrial(difference));
            if (!quantity.isCeiling()) {
                trials.add(change);
            }
        }
        byGroup.forEach((group, members) -> {
            if (members.size() >= Noise.LEAST_GROUP) {
                (quantity.isCeiling() ? ceilings : groups)
                        .add(change(
                                group + ", " + members.size() + " trials",
                                quantity,
                                members,
                                noise.ofGroup(members.size())));
            }
        });
        resolutions.add(resolution(quantity, differences, byGroup.values(), noise));
    }

    /** The change of one trial, or the mean one of a group. Notes them if they took longer and the ceilings fell. */
    private Change change(String name, Quantity quantity, List<Difference> members, double error) {
        double log = mean(members, Difference::log);
        Verdict more = quantity.isCeiling() ? Verdict.IMPROVEMENT : Verdict.REGRESSION;
        Verdict less = quantity.isCeiling() ? Verdict.REGRESSION : Verdict.IMPROVEMENT;
        double before = geometricMean(members, Difference::before);
        double after = geometricMean(members, Difference::after);
        Verdict verdict = Math.abs(after - before) <= quantity.negligible()
                ? Verdict.SAME
                : log - error > LIMIT ? more : log + error < -LIMIT ? less : Verdict.SAME;
        if (quantity == Quantity.TIME
                && verdict != Verdict.REGRESSION
                && mean(members, Difference::raw) - error > LIMIT) {
            members.forEach(member -> slower.add(member.name()));
        }
        return new Change(name, quantity, before, after, Math.exp(log - error), Math.exp(log + error), verdict);
    }

    private static Resolution resolution(
            Quantity quantity, List<Difference> differences, Collection<List<Difference>> groups, Noise noise) {
        double trial = Quartiles.median(differences.stream()
                .mapToDouble(difference -> marked(quantity, List.of(difference), noise.ofTrial(difference)))
                .toArray());
        List<Difference> largest =
                groups.stream().max(Comparator.comparingInt(List::size)).orElseThrow();
        int size = largest.size() < Noise.LEAST_GROUP ? 0 : largest.size();
        return new Resolution(
                quantity,
                noise.sigma(),
                noise.assumed(),
                trial,
                size,
                size == 0 ? Double.NaN : marked(quantity, largest, noise.ofGroup(size)));
    }

    /** The relative change for the worse from which these are marked: more than their error explains, and more than is negligible. */
    private static double marked(Quantity quantity, List<Difference> members, double error) {
        return quantity.isCeiling()
                ? Math.expm1(-LIMIT - error)
                : Math.max(
                        Math.expm1(LIMIT + error), quantity.negligible() / geometricMean(members, Difference::before));
    }

    private static double mean(List<Difference> members, ToDoubleFunction<Difference> logarithm) {
        return members.stream().mapToDouble(logarithm).average().orElseThrow();
    }

    private static double geometricMean(List<Difference> members, Function<Difference, Estimate> estimate) {
        return Math.exp(mean(members, member -> Math.log(estimate.apply(member).median())));
    }
}
