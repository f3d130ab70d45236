package ai.molae.bench.suite;

import ai.molae.bench.results.Result;
import ai.molae.bench.workload.Variant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Which trials are run once more: those that were disturbed worst, at most a twentieth of all but at least one, and beside each the trial that it is compared with,
 * since a machine drifts and what is compared is measured in neighbouring minutes. Libraries whose own threads disturb each other are left out.
 */
final class SecondRound {

    private static final int ONE_OF = 20;

    private final List<Result> results;
    private final ToDoubleFunction<Result> degree;

    /**
     * Has not chosen yet.
     *
     * @param results of the first round
     * @param degree how badly one of them was disturbed, above 1 for those that were
     */
    SecondRound(List<Result> results, ToDoubleFunction<Result> degree) {
        this.results = results;
        this.degree = degree;
    }

    /**
     * Chooses.
     *
     * @return places in the list of results, ascending
     */
    List<Integer> places() {
        Set<Integer> worst = IntStream.range(0, results.size())
                .boxed()
                .filter(i -> !results.get(i).hasOwnLibrary() && degree.applyAsDouble(results.get(i)) > 1)
                .sorted(Comparator.comparingDouble((Integer i) -> -degree.applyAsDouble(results.get(i))))
                .limit(Math.max(1, results.size() / ONE_OF))
                .collect(Collectors.toSet());
        return IntStream.range(0, results.size())
                .filter(i -> worst.contains(i)
                        || worst.stream().anyMatch(other -> areCompared(results.get(i), results.get(other))))
                .boxed()
                .toList();
    }

    /** Whether one is what the other's speed-up is told against, or by: MoLAE for a standard layer, the standard layer for every other. */
    private static boolean areCompared(Result one, Result disturbed) {
        return one.benchmark().equals(disturbed.benchmark())
                && one.param("variant").equals(partner(disturbed.param("variant")))
                && withoutVariant(one).equals(withoutVariant(disturbed));
    }

    private static String partner(String variant) {
        return (variant.equals(Variant.MOE.name()) ? Variant.MOLAE : Variant.MOE).name();
    }

    private static Map<String, String> withoutVariant(Result result) {
        Map<String, String> others = new TreeMap<>(result.params());
        others.remove("variant");
        return others;
    }
}
