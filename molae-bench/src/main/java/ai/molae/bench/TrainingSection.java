package ai.molae.bench;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.cost.CostModel;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.moe.NDArrayMoe;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;

/** Forward and backward of a layer: against three forward rooflines, and against the loop that a DJL user would write. */
final class TrainingSection {

    private static final MoeSpec MOE = Layers.moe(1024, 384, 32, 4);
    private static final List<Precision> PRECISIONS = List.of(Precision.FLOAT32, Precision.BFLOAT16);
    private static final String LOOP = "DJL NDArray loop FLOAT32";
    private static final int INPUTS = 4;

    /** A way to train. */
    private record Way(String name, boolean tape, boolean recompute) {
        Supplier<GradientCollector> collectors() {
            return tape ? GradientTape::new : () -> Engine.getInstance().newGradientCollector();
        }
    }

    private static final List<Way> WAYS = List.of(
            new Way("GradientTape", true, false),
            new Way("GradientTape, recomputing", true, true),
            new Way("DJL's collector", false, false));

    private final NDManager manager;
    private final PrintStream out;

    TrainingSection(NDManager manager, PrintStream out) {
        this.manager = manager;
        this.out = out;
    }

    void run(int T, double effort) {
        try (NDManager own = manager.newSubManager();
                Machine machine = new Machine(own)) {
            NDArray[] inputs = Layers.inputs(own, INPUTS, T, MOE.hiddenSize());
            Contest contest = new Contest(1);
            machine.addReading(contest);
            PRECISIONS.forEach(precision -> machine.addProducts(contest, precision));
            Map<String, MoeSpec> kinds = new LinkedHashMap<>();
            Map<String, Precision> precisions = new LinkedHashMap<>();
            for (MoeSpec spec : List.of(MOE, Layers.molae(MOE))) {
                for (Precision precision : PRECISIONS) {
                    for (Way way : WAYS) {
                        MoeBlock block = Layers.initialize(
                                own, MoeBlock.builder().optPrecision(precision).optRecompute(way.recompute()), spec);
                        String name = ForwardSection.name(spec, precision) + ", " + way.name();
                        contest.add(name, call -> step(block, inputs[call % INPUTS], way.collectors()));
                        kinds.put(name, spec);
                        precisions.put(name, precision);
                    }
                }
            }
            MoeBlock loop = Layers.initialize(own, MoeBlock.builder(), MOE);
            Layers.parameters(loop).values().forEach(array -> array.setRequiresGradient(true));
            contest.add(LOOP, call -> loopStep(loop, inputs[call % INPUTS]));
            Map<String, Double> millis = contest.medianMillis((int) Math.max(5, effort * 11));

            out.printf(
                    Locale.ROOT,
                    "Forward and backward, T = %d; products %.0f (FLOAT32) and %.0f (BFLOAT16) GFLOP/s:%n%n",
                    T,
                    peak(millis, Precision.FLOAT32),
                    peak(millis, Precision.BFLOAT16));
            out.printf(
                    Locale.ROOT,
                    "| | ms | share of 3 forward rooflines | times the NDArray loop |%n|---|---:|---:|---:|%n");
            kinds.forEach((name, spec) -> {
                double ms = Layers.of(millis, name);
                double floor = 3e3
                        * CostModel.layer(spec).forwardFlops()
                        * T
                        / Machine.roofline(millis, Layers.of(precisions, name)).peakFlopsPerSecond();
                out.printf(
                        Locale.ROOT,
                        "| %s | %.1f | %.0f %% | %.1f |%n",
                        name,
                        ms,
                        100 * floor / ms,
                        Layers.of(millis, LOOP) / ms);
            });
            out.printf(Locale.ROOT, "| MoE, %s | %.1f | | 1 |%n%n", LOOP, Layers.of(millis, LOOP));
        }
    }

    private static double peak(Map<String, Double> millis, Precision precision) {
        return Machine.roofline(millis, precision).peakFlopsPerSecond() / 1e9;
    }

    /** Forward and backward of a block. */
    static void step(MoeBlock block, NDArray input, Supplier<GradientCollector> collectors) {
        try (NDManager scope = input.getManager().newSubManager()) {
            NDArray x = Layers.alias(input, scope);
            x.setRequiresGradient(true);
            try (GradientCollector collector = collectors.get()) {
                NDList outputs = block.forward(new ParameterStore(scope, false), new NDList(x), true);
                NDArray loss;
                try (NDArray y = outputs.get(0)) {
                    loss = y.sum().add(outputs.get(1));
                }
                collector.backward(loss);
            }
        }
    }

    private static void loopStep(MoeBlock block, NDArray input) {
        try (NDManager scope = input.getManager().newSubManager()) {
            NDArray x = Layers.alias(input, scope);
            x.setRequiresGradient(true);
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                NDList outputs = NDArrayMoe.forward(block.spec(), Layers.parameters(block), x);
                collector.backward(outputs.get(0).sum().add(outputs.get(1)));
            }
        }
    }
}
