package ai.molae.bench.suite;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Trials of one benchmark: every combination of its parameters' values.
 *
 * @param benchmark the benchmark's name as in JMH's list, package {@code ai.molae.bench} left out: layer.LayerForward.forward
 * @param parameters values by parameter; those left out have the benchmark's own
 */
record Section(String benchmark, Map<String, List<String>> parameters) {

    static Section of(String benchmark) {
        return new Section(benchmark, Map.of());
    }

    /** The same with values for a parameter. */
    Section with(String parameter, Object... values) {
        return with(parameter, Arrays.asList(values));
    }

    /** The same with values for a parameter. */
    Section with(String parameter, List<?> values) {
        Map<String, List<String>> more = new LinkedHashMap<>(parameters);
        more.put(parameter, values.stream().map(String::valueOf).toList());
        return new Section(benchmark, more);
    }

    /** How JMH finds it, and nothing else. */
    String pattern() {
        return "^ai\\.molae\\.bench\\." + benchmark.replace(".", "\\.") + "$";
    }
}
