package ai.molae.bench.report;

import ai.molae.bench.results.Environment;
import ai.molae.bench.results.Result;
import ai.molae.djl.torch.Precision;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * What a report tells of.
 *
 * @param all the results, failed ones among them
 * @param environment where they were measured
 * @param failures what the run says about benchmarks without a result, a line each
 */
record ReportData(List<Result> all, Environment environment, List<String> failures) {

    ReportData {
        all = List.copyOf(all);
        failures = List.copyOf(failures);
    }

    /** The results with values. */
    List<Result> results() {
        return all.stream().filter(result -> !result.failed()).toList();
    }

    /** Which of their times are not to be trusted. */
    Disturbed disturbed() {
        return new Disturbed(results());
    }

    List<Result> select(Predicate<Result> which) {
        return results().stream().filter(which).toList();
    }

    /** Layers that molae computes, with balanced routing where that is a choice. */
    List<Result> layers(Phase phase) {
        return select(result -> phase.has(result)
                && (result.param("implementation").isEmpty()
                        || result.param("implementation").equals("MOLAE"))
                && (result.param("load").isEmpty() || result.param("load").equals("BALANCED")));
    }

    /** The shape with most variants; of several the first. Empty without results of layers. */
    String mainShape() {
        Map<String, Set<String>> variants = new LinkedHashMap<>();
        for (Phase phase : Phase.values()) {
            layers(phase).forEach(result -> variants.computeIfAbsent(result.param("shape"), shape -> new TreeSet<>())
                    .add(result.param("variant")));
        }
        String best = "";
        for (Map.Entry<String, Set<String>> shape : variants.entrySet()) {
            if (best.isEmpty()
                    || shape.getValue().size()
                            > variants.getOrDefault(best, Set.of()).size()) {
                best = shape.getKey();
            }
        }
        return best;
    }

    /**
     * What can be laid side by side: of every parameter but one, only the value that most values of that one have. Of equally common values it is
     * the greatest number, bfloat16, or the first.
     *
     * @param items what to choose from
     * @param resultOf the result of an item
     * @param free the parameter that may differ
     * @param alsoFree one more that is not looked at
     * @return the items that agree in all others
     */
    static <T> List<T> alike(List<T> items, Function<T, Result> resultOf, String free, String alsoFree) {
        Set<String> names = new LinkedHashSet<>();
        items.forEach(item -> names.addAll(resultOf.apply(item).params().keySet()));
        names.remove(free);
        names.remove(alsoFree);
        List<T> left = items;
        // Benchmarks first: a parameter of one may be unknown to the other.
        left = commonest(left, item -> resultOf.apply(item).benchmark(), item -> resultOf.apply(item)
                .param(free));
        for (String name : names) {
            left = commonest(left, item -> resultOf.apply(item).param(name), item -> resultOf.apply(item)
                    .param(free));
        }
        return left;
    }

    private static <T> List<T> commonest(List<T> items, Function<T, String> value, Function<T, String> free) {
        Map<String, Set<String>> covered = new LinkedHashMap<>();
        items.forEach(item -> covered.computeIfAbsent(value.apply(item), key -> new TreeSet<>())
                .add(free.apply(item)));
        String best = covered.entrySet().stream()
                .max(Comparator.<Map.Entry<String, Set<String>>>comparingInt(
                                entry -> entry.getValue().size())
                        .thenComparing(entry -> entry.getKey().equals(Precision.BFLOAT16.name()))
                        .thenComparingDouble(entry -> size(entry.getKey())))
                .map(Map.Entry::getKey)
                .orElse("");
        return items.stream().filter(item -> value.apply(item).equals(best)).toList();
    }

    /** The size of a number; other texts are all alike. */
    static double size(String text) {
        return text.matches("\\d{1,15}") ? Double.parseDouble(text) : -1;
    }
}
