package ai.molae.cli.plan;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.cost.CostModel;
import ai.molae.cost.LayerCost;
import ai.molae.cost.Roofline;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.MachineCeilings;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Builds layers with random weights, packs them for inference and times them, with the ceilings of the machine measured before and after. */
final class LayerTimes implements AutoCloseable {

    /** Calls go through so many inputs in turns, so that decoding does not find its experts in a cache. */
    private static final int INPUTS = 8;

    private static final int LEAST_CALLS = 3;
    private static final double SECONDS = 0.4;

    /**
     * A time beside its prediction.
     *
     * @param predicted seconds by the roofline with the ceilings of the moment
     * @param bound which of them holds it
     * @param seconds the median of the calls
     */
    record Timed(double predicted, Roofline.Bound bound, double seconds) {}

    private final Precision precision;
    private final NDManager manager =
            NDManager.newBaseManager(Engine.getEngine("PyTorch").defaultDevice(), "PyTorch");
    private final MachineCeilings machine;

    LayerTimes(Precision precision) {
        this.precision = precision;
        machine = new MachineCeilings(manager, weights());
    }

    private ai.molae.djl.torch.Precision weights() {
        return ai.molae.djl.torch.Precision.valueOf(precision.name());
    }

    Roofline ceilings() {
        return machine.measure();
    }

    /** Times one layer with batches of these sizes. */
    List<Timed> time(MoeSpec spec, List<Integer> batches) {
        LayerCost cost = CostModel.layer(spec);
        List<Timed> times = new ArrayList<>();
        try (NDManager scope = manager.newSubManager()) {
            MoeBlock block = new MoeBlock(spec);
            block.initialize(scope, DataType.FLOAT32, new Shape(1, spec.hiddenSize()));
            block.prepareForInference(weights());
            for (int tokens : batches) {
                List<NDArray> inputs = IntStream.range(0, INPUTS)
                        .mapToObj(i -> scope.randomNormal(new Shape(tokens, spec.hiddenSize())))
                        .toList();
                Roofline before = machine.measure();
                double seconds = median(block, inputs, scope);
                Roofline ceilings = best(before, machine.measure());
                double flops = tokens * cost.forwardFlops();
                double bytes = cost.decodeBytes(precision.weights(), tokens);
                times.add(new Timed(ceilings.seconds(flops, bytes), ceilings.bound(flops, bytes), seconds));
                inputs.forEach(NDArray::close);
            }
        }
        return times;
    }

    private static Roofline best(Roofline a, Roofline b) {
        return new Roofline(
                Math.max(a.peakFlopsPerSecond(), b.peakFlopsPerSecond()),
                Math.max(a.bytesPerSecond(), b.bytesPerSecond()));
    }

    private static double median(MoeBlock block, List<NDArray> inputs, NDManager manager) {
        for (NDArray x : inputs) {
            seconds(block, x, manager); // every number of rows that an expert gets is compiled once
        }
        List<Double> calls = new ArrayList<>();
        double all = 0;
        while (calls.size() < LEAST_CALLS || all < SECONDS) {
            double seconds = seconds(block, inputs.get(calls.size() % INPUTS), manager);
            calls.add(seconds);
            all += seconds;
        }
        double[] sorted = calls.stream().mapToDouble(Double::doubleValue).toArray();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    private static double seconds(MoeBlock block, NDArray x, NDManager manager) {
        long start = System.nanoTime();
        try (NDManager scope = manager.newSubManager()) {
            NDArray own = x.reshape(x.getShape());
            own.attach(scope);
            NDArray y = block.forward(new ParameterStore(scope, false), new NDList(own), false)
                    .singletonOrThrow();
            y.getFloat(0, 0); // a GPU's calls return before they are done
        }
        return Math.max(1, System.nanoTime() - start) * 1e-9;
    }

    @Override
    public void close() {
        machine.close();
        manager.close();
    }
}
