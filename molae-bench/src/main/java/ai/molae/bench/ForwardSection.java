package ai.molae.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.ParameterStore;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.LayerCost;
import ai.molae.cost.Roofline;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.moe.NDArrayMoe;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Inference of a layer of Qwen3-30B-A3B's shape with 64 experts, and of its MoLAE: every precision against the roofline, MoLAE against MoE,
 * both against the loop that a DJL user would write.
 */
final class ForwardSection {

    private static final MoeSpec MOE = Layers.moe(2048, 768, 64, 8);
    private static final List<MoeSpec> KINDS = List.of(MOE, Layers.molae(MOE));
    private static final String LOOP = "DJL NDArray loop";

    private final NDManager manager;
    private final PrintStream out;

    ForwardSection(NDManager manager, PrintStream out) {
        this.manager = manager;
        this.out = out;
    }

    void run(List<Integer> tokens, double effort) {
        Map<String, MoeBlock> blocks = new LinkedHashMap<>();
        MoeBlock moe = Layers.initialize(manager, MoeBlock.builder(), MOE);
        MoeBlock molae = Layers.initialize(manager, MoeBlock.builder(), KINDS.get(1));
        for (Precision precision : Precision.values()) {
            blocks.put(name(MOE, precision), Layers.prepared(manager, moe, precision));
            blocks.put(name(KINDS.get(1), precision), Layers.prepared(manager, molae, precision));
        }
        printErrors(blocks);
        try (Machine machine = new Machine(manager)) {
            List<Map<String, Double>> results = new ArrayList<>();
            for (int T : tokens) {
                results.add(contest(T, effort, blocks, moe, machine));
            }
            print(tokens, results);
        }
    }

    static String name(MoeSpec spec, Precision precision) {
        return (spec.latent().isPresent() ? "MoLAE " : "MoE ") + precision;
    }

    private Map<String, Double> contest(
            int T, double effort, Map<String, MoeBlock> blocks, MoeBlock loop, Machine machine) {
        try (NDManager own = manager.newSubManager()) {
            int count = T <= 4 ? 16 : T <= 64 ? 6 : 3;
            NDArray[] inputs = Layers.inputs(own, count, T, MOE.hiddenSize());
            Contest contest = new Contest(T == 1 ? 20 : T <= 4 ? 8 : 1);
            machine.addReading(contest);
            for (Precision precision : Precision.values()) {
                machine.addProducts(contest, precision);
            }
            blocks.forEach((name, block) -> contest.add(name, call -> Layers.infer(block, inputs[call % count])));
            if (T <= 512) {
                contest.add(LOOP, call -> runLoop(loop, inputs[call % count]));
            }
            Map<String, Double> millis = contest.medianMillis((int) Math.max(5, effort * (T <= 64 ? 25 : 9)));
            return millis;
        }
    }

    private static void runLoop(MoeBlock block, NDArray x) {
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = x.getManager().newSubManager()) {
            NDArrayMoe.forward(block.spec(), Layers.parameters(block), Layers.alias(x, scope));
        }
    }

    private void printErrors(Map<String, MoeBlock> blocks) {
        out.printf(
                Locale.ROOT,
                "Largest error against float32, 64 tokens, as a share of the largest output:%n%n| | MoE | MoLAE |%n|---|---:|---:|%n");
        try (NDManager own = manager.newSubManager()) {
            NDArray x = Layers.inputs(own, 1, 64, MOE.hiddenSize())[0];
            for (Precision precision : Precision.values()) {
                out.printf(Locale.ROOT, "| %s |", precision);
                for (MoeSpec kind : KINDS) {
                    NDArray exact = infer(Layers.of(blocks, name(kind, Precision.FLOAT32)), x);
                    out.printf(
                            Locale.ROOT,
                            " %.1e |",
                            relative(exact, infer(Layers.of(blocks, name(kind, precision)), x)));
                }
                out.println();
            }
        }
        out.println();
    }

    private static NDArray infer(MoeBlock block, NDArray x) {
        return block.forward(new ParameterStore(x.getManager(), false), new NDList(x), false)
                .singletonOrThrow();
    }

    private static double relative(NDArray expected, NDArray actual) {
        return expected.sub(actual).abs().max().getFloat()
                / expected.abs().max().getFloat();
    }

    private void print(List<Integer> tokens, List<Map<String, Double>> results) {
        String header = "T = "
                + String.join(" | T = ", tokens.stream().map(String::valueOf).toList());
        String rule = "---:|".repeat(tokens.size());
        out.printf(Locale.ROOT, "Ceilings of the same run:%n%n| | %s |%n|---|%s%n", header, rule);
        row(
                "read, GB/s",
                "%.1f",
                tokens,
                results,
                (T, ms) -> Machine.roofline(ms, Precision.FLOAT32).bytesPerSecond() / 1e9);
        for (Precision precision : Precision.values()) {
            row(
                    "products " + precision + ", GFLOP/s",
                    "%.0f",
                    tokens,
                    results,
                    (T, ms) -> Machine.roofline(ms, precision).peakFlopsPerSecond() / 1e9);
        }
        out.printf(
                Locale.ROOT, "%nForward, milliseconds and share of the roofline:%n%n| | %s |%n|---|%s%n", header, rule);
        for (MoeSpec kind : KINDS) {
            for (Precision precision : Precision.values()) {
                String name = name(kind, precision);
                out.printf(Locale.ROOT, "| %s |", name);
                for (int i = 0; i < tokens.size(); i++) {
                    double ms = Layers.of(results.get(i), name);
                    out.printf(
                            Locale.ROOT,
                            " %.2f (%.0f %%) |",
                            ms,
                            100 * floorMillis(kind, precision, tokens.get(i), results.get(i)) / ms);
                }
                out.println();
            }
        }
        row(LOOP + " FLOAT32", "%.2f", tokens, results, (T, ms) -> ms.getOrDefault(LOOP, Double.NaN));
        out.printf(Locale.ROOT, "%nRatios:%n%n| | %s |%n|---|%s%n", header, rule);
        for (Precision precision : Precision.values()) {
            row(
                    "MoE / MoLAE, " + precision,
                    "%.2f",
                    tokens,
                    results,
                    (T, ms) -> Layers.of(ms, name(MOE, precision)) / Layers.of(ms, name(KINDS.get(1), precision)));
        }
        LayerCost moe = CostModel.layer(MOE);
        LayerCost molae = CostModel.layer(KINDS.get(1));
        row("cost model: FLOPs", "%.2f", tokens, results, (T, ms) -> moe.forwardFlops() / molae.forwardFlops());
        row(
                "cost model: bytes touched",
                "%.2f",
                tokens,
                results,
                (T, ms) -> moe.decodeBytes(ElementType.BFLOAT16, T) / molae.decodeBytes(ElementType.BFLOAT16, T));
        for (MoeSpec kind : KINDS) {
            String name = name(kind, Precision.FLOAT32);
            row(
                    LOOP + " / " + name,
                    "%.1f",
                    tokens,
                    results,
                    (T, ms) -> ms.getOrDefault(LOOP, Double.NaN) / Layers.of(ms, name));
            row(
                    name(kind, Precision.BFLOAT16) + " / INT8",
                    "%.2f",
                    tokens,
                    results,
                    (T, ms) ->
                            Layers.of(ms, name(kind, Precision.BFLOAT16)) / Layers.of(ms, name(kind, Precision.INT8)));
        }
        out.println();
    }

    /** A figure out of a number of tokens and the results for it. */
    private interface Figure {
        double of(int tokens, Map<String, Double> millis);
    }

    private void row(
            String name, String format, List<Integer> tokens, List<Map<String, Double>> results, Figure figure) {
        out.printf(Locale.ROOT, "| %s |", name);
        for (int i = 0; i < tokens.size(); i++) {
            double value = figure.of(tokens.get(i), results.get(i));
            out.print(" " + (Double.isNaN(value) ? "–" : String.format(Locale.ROOT, format, value)) + " |");
        }
        out.println();
    }

    static double floorMillis(MoeSpec spec, Precision precision, int T, Map<String, Double> millis) {
        LayerCost cost = CostModel.layer(spec);
        Roofline roofline = Machine.roofline(millis, precision);
        return 1e3 * roofline.seconds(cost.forwardFlops() * T, cost.decodeBytes(stored(precision), T));
    }

    private static ElementType stored(Precision precision) {
        return switch (precision) {
            case FLOAT32 -> ElementType.FLOAT32;
            case BFLOAT16 -> ElementType.BFLOAT16;
            case FLOAT16 -> ElementType.FLOAT16;
            case INT8 -> ElementType.INT8;
        };
    }
}
