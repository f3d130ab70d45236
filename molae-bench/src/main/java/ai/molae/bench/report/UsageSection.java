package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Derived;
import ai.molae.bench.results.Result;
import java.util.List;

/** What every benchmark used of memory, beside what the cost model expects of it, and the FLOPs that were counted. */
final class UsageSection {

    /** What is called retained memory, wherever a report says so. */
    static final String RETAINED =
            "Memory retained is the lesser of what building took and what closing frees, in native memory, without inputs.";

    /** Why the training of models has no ratio of memory to the cost model's weights. */
    static final String TRAINING =
            "In ModelTraining the memory retained is weights, gradients and AdamW's two moments, 16 bytes a parameter, so no ratio to the weights alone is stated.";

    private static final String ID = "usage";
    private static final String TITLE = "Memory and FLOPs, measured against the cost model";

    private UsageSection() {}

    static Section of(ReportData data) {
        List<Result> results = data.select(result -> Double.isFinite(result.metric(Metric.RETAINED_BYTES))
                || Double.isFinite(result.metric(Metric.PEAK_BYTES)));
        if (results.isEmpty()) {
            return Section.without(ID, TITLE, "benchmarks with their memory");
        }
        Table table = new Table(
                2,
                "benchmark",
                "of",
                "weights, model",
                "retained",
                "retained ÷ model",
                "peak, model",
                "peak",
                "peak ÷ model",
                "resident peak",
                "left behind per call",
                "Java heap per call",
                "counted ÷ model FLOPs");
        for (Result result : results) {
            table.add(
                    result.name(),
                    Names.params(result),
                    Numbers.bytes(result.metric(Metric.WEIGHT_BYTES)),
                    Numbers.bytes(result.metric(Metric.RETAINED_BYTES)),
                    Numbers.ratio(Derived.MEMORY_RATIO.of(result)),
                    Numbers.bytes(result.metric(Metric.EXPECTED_PEAK_BYTES)),
                    Numbers.bytes(result.metric(Metric.PEAK_BYTES)),
                    Numbers.ratio(Derived.PEAK_RATIO.of(result)),
                    Numbers.bytes(result.metric(Metric.RESIDENT_PEAK_BYTES)),
                    Numbers.bytes(result.metric(Metric.LEAKED_BYTES)),
                    Numbers.bytes(result.metric(Metric.HEAP_BYTES)),
                    Numbers.ratio(Derived.FLOPS_RATIO.of(result)));
        }
        return new Section(
                ID,
                TITLE,
                List.of(
                        new Block.Paragraph(
                                RETAINED + " " + TRAINING
                                        + " The peak is of native memory and was watched during warm-up; the resident peak is of"
                                        + " the whole process, the Java heap included, while times were measured. Left behind is what native memory grew by"
                                        + " for each measured call. FLOPs were counted from the shapes of operators in a profiled run, where that is possible."),
                        table));
    }
}
