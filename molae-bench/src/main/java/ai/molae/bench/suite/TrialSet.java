package ai.molae.bench.suite;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Trials of one benchmark: every combination of its parameters' values.
 *
 * @param benchmark the benchmark's name as in JMH's list, package {@code ai.molae.bench} left out: layer.LayerForward.forward
 * @param parameters values by parameter; those left out have the benchmark's own
 */
record TrialSet(String benchmark, Map<String, List<String>> parameters) {

    static TrialSet of(String benchmark) {
        return new TrialSet(benchmark, Map.of());
    }

    /** The same with values for a parameter. */
    TrialSet with(String parameter, Object... values) {
        return with(parameter, Arrays.asList(values));
    }

    /** The same with values for a parameter. */
    TrialSet with(String parameter, List<?> values) {
        Map<String, List<String>> more = new LinkedHashMap<>(parameters);
        more.put(parameter, values.stream().map(String::valueOf).toList());
        return new TrialSet(benchmark, more);
    }

    /**
     * The same for every combination of values. The variant changes fastest: what is compared is measured in neighbouring minutes, because the machine's speed drifts.
     */
    List<TrialSet> trials() {
        List<Map.Entry<String, List<String>>> slowestFirst = new ArrayList<>(parameters.entrySet());
        slowestFirst.sort(Comparator.comparing(parameter -> parameter.getKey().equals("variant")));
        List<TrialSet> trials = List.of(of(benchmark));
        for (Map.Entry<String, List<String>> parameter : slowestFirst) {
            trials = trials.stream()
                    .flatMap(trial -> parameter.getValue().stream().map(value -> trial.with(parameter.getKey(), value)))
                    .toList();
        }
        return trials;
    }

    /** The first value of a parameter, or empty if it has none. */
    <E extends Enum<E>> Optional<E> value(String parameter, Class<E> type) {
        return Optional.ofNullable(parameters.get(parameter)).map(values -> Enum.valueOf(type, values.get(0)));
    }

    /** The benchmark and its parameters for people. */
    String title() {
        return benchmark
                + new TreeMap<>(parameters)
                        .entrySet().stream()
                                .map(entry -> entry.getKey() + "=" + String.join(",", entry.getValue()))
                                .collect(Collectors.joining(" ", " ", ""));
    }

    /** How JMH finds it, and nothing else. */
    String pattern() {
        return "^ai\\.molae\\.bench\\." + benchmark.replace(".", "\\.") + "$";
    }
}
