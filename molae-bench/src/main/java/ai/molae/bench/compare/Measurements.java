package ai.molae.bench.compare;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Result;
import ai.molae.bench.results.Results;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Results of JMH as a comparison needs them. */
public final class Measurements {

    private Measurements() {}

    /**
     * Reads a run.
     *
     * @param place a folder with {@code jmh.json}, or a file of JMH's
     * @return its trials, those without a time left out
     * @throws IOException if there is none, or it is not what JMH writes
     */
    public static List<Measured> read(Path place) throws IOException {
        Path file = Files.isDirectory(place) ? place.resolve(Results.FILE) : place;
        if (!Files.exists(file)) {
            throw new IllegalArgumentException("no results of a run in " + place + ": there is no " + file);
        }
        return of(Results.read(file));
    }

    /**
     * The same for results that were read.
     *
     * @param results of one run
     * @return its trials, those without a time left out
     */
    public static List<Measured> of(List<Result> results) {
        List<Measured> trials = new ArrayList<>();
        for (Result result : results) {
            double[] millis = result.values().stream()
                    .mapToDouble(Double::doubleValue)
                    .filter(value -> value > 0 && Double.isFinite(value))
                    .toArray();
            if (millis.length > 0) {
                trials.add(new Measured(name(result), group(result), quantities(result, Estimate.of(millis))));
            }
        }
        return trials;
    }

    private static String name(Result result) {
        return result.name()
                + result.params().entrySet().stream()
                        .map(entry -> entry.getKey() + "=" + entry.getValue())
                        .collect(Collectors.joining(" ", " ", ""));
    }

    private static String group(Result result) {
        return Stream.of(
                        result.name(),
                        result.param("variant"),
                        result.param("implementation"),
                        result.param("precision"))
                .filter(part -> !part.isEmpty())
                .collect(Collectors.joining(" "));
    }

    private static Map<Quantity, Estimate> quantities(Result result, Estimate time) {
        Map<Quantity, Estimate> quantities = new EnumMap<>(Quantity.class);
        quantities.put(Quantity.TIME, time);
        double floor = Derived.FLOOR_MILLISECONDS.of(result);
        if (floor > 0) {
            quantities.put(Quantity.TIME_OVER_ROOFLINE, new Estimate(time.median() / floor, time.relativeError()));
        }
        put(quantities, Quantity.RETAINED_BYTES, result.metric(Metric.RETAINED_BYTES));
        put(quantities, Quantity.PEAK_BYTES, result.metric(Metric.PEAK_BYTES));
        put(quantities, Quantity.PRODUCTS, result.metric(Metric.PEAK_FLOPS));
        put(quantities, Quantity.READING, result.metric(Metric.BANDWIDTH));
        put(quantities, Quantity.HEAP_BYTES, result.metric(Metric.HEAP_BYTES));
        return quantities;
    }

    /** A figure of one process has no spread of its own; that between processes is in the differences. */
    private static void put(Map<Quantity, Estimate> quantities, Quantity quantity, double value) {
        if (value > 0 && Double.isFinite(value)) {
            quantities.put(quantity, new Estimate(value, 0));
        }
    }
}
