package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Quartiles;
import ai.molae.bench.results.Result;
import ai.molae.cli.table.Csv;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** A row for each result, with all digits, as RFC 4180 has it: commas, quotes where needed, lines end in CR LF. */
final class CsvReport {

    private CsvReport() {}

    static String of(List<Result> results) {
        Set<String> params = new TreeSet<>();
        results.forEach(result -> params.addAll(result.params().keySet()));
        Set<String> measured = new TreeSet<>();
        results.forEach(result -> measured.addAll(result.metrics().keySet()));
        Set<String> metrics = new LinkedHashSet<>();
        Arrays.stream(Metric.values())
                .map(Metric::key)
                .filter(measured::contains)
                .forEach(metrics::add);
        metrics.addAll(measured);

        List<String> head = new ArrayList<>(List.of("benchmark"));
        head.addAll(params);
        head.addAll(List.of("unit", "median", "lower quartile", "upper quartile", "iterations"));
        head.addAll(metrics);
        Arrays.stream(Derived.values()).map(CsvReport::title).forEach(head::add);
        head.add("disturbed");
        Disturbed disturbed = new Disturbed(results);

        StringBuilder csv = new StringBuilder(line(head));
        for (Result result : results) {
            List<String> cells = new ArrayList<>(List.of(result.benchmark()));
            params.forEach(name -> cells.add(result.param(name)));
            Quartiles quartiles = result.quartiles();
            cells.add(result.unit());
            cells.add(number(quartiles.median()));
            cells.add(number(quartiles.lower()));
            cells.add(number(quartiles.upper()));
            cells.add(String.valueOf(result.values().size()));
            metrics.forEach(key -> cells.add(number(result.metrics().getOrDefault(key, Double.NaN))));
            for (Derived derived : Derived.values()) {
                cells.add(number(derived.of(result)));
            }
            cells.add(String.join("; ", disturbed.reasons(result)));
            csv.append(line(cells));
        }
        return csv.toString();
    }

    private static String title(Derived derived) {
        return derived.unit().isEmpty() ? derived.key() : derived.key() + " " + derived.unit();
    }

    /** All digits, never an exponent; empty for what is not known. */
    static String number(double value) {
        return Double.isFinite(value)
                ? new BigDecimal(Double.toString(value)).stripTrailingZeros().toPlainString()
                : "";
    }

    private static String line(List<String> cells) {
        return cells.stream().map(Csv::quoted).collect(Collectors.joining(",", "", "\r\n"));
    }
}
