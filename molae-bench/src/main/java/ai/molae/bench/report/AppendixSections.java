package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Result;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Everything, where it was measured, how to read it and how to do it again, and what is missing. */
final class AppendixSections {

    /** A share of the roofline above this is called too high. */
    private static final double ABOVE_ROOF = 1.05;

    private AppendixSections() {}

    static Section all(ReportData data) {
        Table table = new Table(
                2,
                "benchmark",
                "parameters",
                "median",
                "lower quartile",
                "upper quartile",
                "unit",
                "iterations",
                "GFLOP/s",
                "share of roofline",
                "memory retained",
                "peak",
                "Java heap per call",
                "counted ÷ model FLOPs",
                "error");
        Disturbed disturbed = data.disturbed();
        for (Result result : data.all()) {
            table.add(
                    result.name(),
                    Names.params(result),
                    result.failed()
                            ? "failed"
                            : Numbers.number(result.quartiles().median())
                                    + (disturbed.is(result) ? Disturbed.MARK : ""),
                    Numbers.number(result.quartiles().lower()),
                    Numbers.number(result.quartiles().upper()),
                    result.unit(),
                    String.valueOf(result.values().size()),
                    Numbers.number(Derived.GFLOPS.of(result)),
                    Numbers.percent(Derived.ROOFLINE_SHARE.of(result)),
                    Numbers.bytes(result.metric(Metric.RETAINED_BYTES)),
                    Numbers.bytes(result.metric(Metric.PEAK_BYTES)),
                    Numbers.bytes(result.metric(Metric.HEAP_BYTES)),
                    Numbers.ratio(Derived.FLOPS_RATIO.of(result)),
                    Numbers.number(result.metric(Metric.ERROR)));
        }
        String id = "results";
        return table.isEmpty()
                ? Section.without(id, "All results", "any benchmark")
                : new Section(
                        id,
                        "All results",
                        List.of(
                                new Block.Paragraph(
                                        "Every result of the run; results.csv has them with all digits and all metrics."),
                                table));
    }

    static Section environment(ReportData data) {
        Table table = new Table(2, "what", "value");
        data.environment().facts().forEach((name, value) -> table.add(name, value.isEmpty() ? "not known" : value));
        return table.isEmpty()
                ? new Section(
                        "environment",
                        "Environment",
                        List.of(new Block.Missing("Left out: the run left no environment.json.")))
                : new Section("environment", "Environment", List.of(table));
    }

    static Section reading() {
        return new Section(
                "reading",
                "How to read this, and how to run it again",
                List.of(
                        new Block.Lines(
                                List.of(
                                        "Times are medians of the raw values of all iterations of all processes; the spread is half the distance between"
                                                + " the quartiles, as a share of the median. Every benchmark with its parameters runs in a process of its own.",
                                        "FLOPs count matrix products only, a multiply-add as 2, by the cost model; bytes read are those of weights.",
                                        UsageSection.RETAINED + " The peak was watched during warm-up.",
                                        "The share of the roofline is the least time by ceilings measured in the same process (large products, reading"
                                                + " 256 MiB) divided by the time taken. None is stated for implementations with a library of their own, whose threads"
                                                + " disturb these ceilings.",
                                        String.format(
                                                Locale.ROOT,
                                                "†: the time was disturbed. Its spread is over %.0f %%, or a ceiling measured in its process is more than"
                                                        + " %.0f %% below the run's median for its precision. All such results are named under what"
                                                        + " failed or is missing, and left out of the times at the top.",
                                                100 * Disturbed.SPREAD,
                                                100 * Disturbed.BELOW),
                                        "Ratios MoE ÷ MoLAE above 1 are in MoLAE's favour. They hold for this machine and these sizes; layers are scaled"
                                                + " down to fit into memory, with the ratios of widths of the published models.",
                                        "Ratios of times on a machine that does other work as well are worth little: look at the spread."),
                                false),
                        new Block.Paragraph("To run it again, in minutes or in hours:"),
                        new Block.Code("molae bench --quick\nmolae bench --full")));
    }

    static Section missing(ReportData data) {
        List<String> lines = new ArrayList<>(data.failures());
        for (Result result : data.all()) {
            if (result.failed()) {
                lines.add("No value: " + result.name() + " " + Names.params(result));
            }
        }
        List<Result> results = data.results();
        Disturbed disturbed = data.disturbed();
        for (Result result : results) {
            if (disturbed.is(result)) {
                lines.add("Disturbed: " + result.name() + " " + Names.params(result) + ": "
                        + String.join(", ", disturbed.reasons(result)) + ".");
            }
        }
        long aboveRoof = results.stream()
                .filter(result -> Derived.ROOFLINE_SHARE.of(result) > ABOVE_ROOF)
                .count();
        if (aboveRoof > 0) {
            lines.add(String.format(
                    Locale.ROOT,
                    "%d of %d results are faster than their ceilings allow by more than %.0f %%: weights out of a cache, or a machine whose speed changed.",
                    aboveRoof,
                    results.size(),
                    100 * (ABOVE_ROOF - 1)));
        }
        if (data.environment().get("commit").isEmpty()) {
            lines.add("The commit that was measured is not known.");
        }
        return new Section(
                "missing",
                "What failed or is missing",
                List.of(
                        lines.isEmpty()
                                ? new Block.Paragraph("Nothing: every benchmark of the run has a result.")
                                : new Block.Lines(lines, true)));
    }
}
