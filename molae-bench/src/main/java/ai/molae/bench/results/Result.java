package ai.molae.bench.results;

import ai.molae.bench.measure.Metric;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What one benchmark with one set of parameters came to.
 *
 * @param benchmark its full name, class and method
 * @param params its parameters by name
 * @param forks the raw value of every iteration of every process, in the result's unit; times are in ms/op
 * @param unit of the values; other units of time than ms/op were converted when read
 * @param metrics the median of the raw values of each secondary metric, by its key in JMH's results
 */
public record Result(
        String benchmark,
        SortedMap<String, String> params,
        List<List<Double>> forks,
        String unit,
        Map<String, Double> metrics) {

    /** The unit of times. */
    public static final String MILLISECONDS = "ms/op";

    /**
     * Copies the collections.
     *
     * @param benchmark its full name, class and method
     * @param params its parameters by name
     * @param forks the raw value of every iteration of every process
     * @param unit of the values
     * @param metrics the median of each secondary metric, by its key
     */
    public Result {
        params = Collections.unmodifiableSortedMap(new TreeMap<>(params));
        forks = forks.stream().map(List::copyOf).toList();
        metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
    }

    /**
     * The name without the package.
     *
     * @return for example LayerForward.forward
     */
    public String name() {
        int method = benchmark.lastIndexOf('.');
        return benchmark.substring(benchmark.lastIndexOf('.', method - 1) + 1);
    }

    /**
     * The class without the package.
     *
     * @return for example LayerForward
     */
    public String benchmarkClass() {
        String name = name();
        return name.contains(".") ? name.substring(0, name.indexOf('.')) : name;
    }

    /**
     * A parameter.
     *
     * @param name its name
     * @return its value; empty for one that the benchmark has not
     */
    public String param(String name) {
        return params.getOrDefault(name, "");
    }

    /**
     * A metric.
     *
     * @param metric which
     * @return its median; NaN if it was not measured
     */
    public double metric(Metric metric) {
        return metrics.getOrDefault(metric.key(), Double.NaN);
    }

    /**
     * Whether its products were computed by a library of the implementation's own. Its threads stand beside libtorch's in the same process and disturb the
     * ceilings measured there.
     *
     * @return false for molae, loops over NDArrays, and benchmarks that have no choice of implementations
     */
    public boolean hasOwnLibrary() {
        return !Set.of("", "MOLAE", "NDARRAY_LOOP").contains(param("implementation"));
    }

    /**
     * All raw values.
     *
     * @return those of all processes, in order
     */
    public List<Double> values() {
        return forks.stream().flatMap(List::stream).toList();
    }

    /**
     * The middle of the raw values.
     *
     * @return in {@link #unit()}; NaN without values
     */
    public Quartiles quartiles() {
        return Quartiles.of(values());
    }

    /**
     * Whether the benchmark ended without a single value: it failed.
     *
     * @return true without finite values
     */
    public boolean failed() {
        return values().stream().noneMatch(Double::isFinite);
    }

    /**
     * The median time of a call.
     *
     * @return milliseconds; NaN if this is not a time, or without values
     */
    public double milliseconds() {
        return unit.equals(MILLISECONDS) ? quartiles().median() : Double.NaN;
    }
}
