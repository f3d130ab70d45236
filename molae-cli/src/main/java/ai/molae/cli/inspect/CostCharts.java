package ai.molae.cli.inspect;

import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import ai.molae.cost.ModelPart;
import ai.molae.djl.chart.RowChart;
import ai.molae.djl.chart.RowChart.Series;
import java.util.List;
import java.util.Locale;

/** What a model holds and costs, as bars; the tables beside them have all digits. */
final class CostCharts {

    private CostCharts() {}

    /** The parameters of each part there is, and those that a token uses. */
    static String parameters(ModelCost cost) {
        RowChart chart = new RowChart(
                "Parameters by part", "parameters", List.of(new Series("all", 0), new Series("active per token", 1)));
        // Only routed experts are not all used.
        double idle = cost.parameters() - cost.activeParameters();
        cost.parametersByPart().forEach((part, count) -> {
            if (count > 0) {
                double all = count;
                chart.add(Parts.name(part), all, part == ModelPart.ROUTED_EXPERTS ? all - idle : all);
            }
        });
        return chart.figure();
    }

    /** The FLOPs of a token in each part that has any. */
    static String flops(ModelCost cost, long context) {
        RowChart chart = new RowChart(
                "FLOPs per token by part",
                "FLOPs forward, attending " + context + " positions",
                List.of(new Series("FLOPs", 0)));
        cost.forwardFlopsByPart(context).forEach((part, flops) -> {
            if (flops > 0) {
                chart.add(Parts.name(part), flops);
            }
        });
        return chart.figure();
    }

    /** The weights, and the keys and values of a full context, in each element type. */
    static String memory(ModelCost cost, long context, long batch) {
        RowChart chart = new RowChart(
                "Memory to infer with", "bytes", List.of(new Series("weights", 0), new Series("key/value cache", 2)));
        for (ElementType type : Costs.TYPES) {
            chart.add(
                    type.name().toLowerCase(Locale.ROOT),
                    (double) cost.weightBytes(type),
                    (double) cost.kvCacheBytesPerToken(Costs.cache(type)) * context * batch);
        }
        return chart.figure();
    }
}
