package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/** The matrices of a layer of a checkpoint, read and decoded when they are asked for; those that are not finite are refused. For one thread. */
final class CheckpointExperts implements ExpertSource {

    private final MoeSpec spec;
    private final WeightSource weights;
    private final Parameter upper;
    private final Parameter down;

    /**
     * The layer of a checkpoint.
     *
     * @param checkpoint open as long as this
     * @param layer a standard MoE layer
     */
    CheckpointExperts(Checkpoint checkpoint, int layer) {
        spec = (MoeSpec) checkpoint.spec().feedForwards().get(layer);
        int n = spec.hiddenSize();
        int m = spec.intermediateSize();
        String path = "layers." + layer + ".mlp.";
        String name = spec.gated() ? "gate_up" : "up";
        // One row for each matrix, so that gate and up of an expert can be read apart.
        upper = parameter(name, new Shape((spec.gated() ? 2L : 1L) * spec.numExperts(), m, n));
        down = parameter("down", new Shape(spec.numExperts(), n, m));
        Map<String, Parameter> byPath = new LinkedHashMap<>();
        byPath.put(path + name, upper);
        byPath.put(path + "down", down);
        weights = checkpoint.weights(byPath);
    }

    /** A source for each thread that asks, whose reads are counted: each has a buffer of its own. All are garbage with the supplier. */
    static Supplier<ExpertSource> perThread(Checkpoint checkpoint, int layer, ReadCounter counter) {
        // Not a ThreadLocal, whose values, with their buffers and the closed checkpoint, stay in the caller's thread
        // when nobody has the key any more.
        Map<Thread, ExpertSource> sources = new ConcurrentHashMap<>();
        return () -> sources.computeIfAbsent(
                Thread.currentThread(), thread -> counter.counting(new CheckpointExperts(checkpoint, layer)));
    }

    private static Parameter parameter(String name, Shape shape) {
        return Parameter.builder()
                .setName(name)
                .setType(Parameter.Type.WEIGHT)
                .optShape(shape)
                .build();
    }

    @Override
    public MoeSpec spec() {
        return spec;
    }

    @Override
    public NDArray read(NDManager manager, int expert, ExpertOperator operator) {
        Parameter parameter = operator == ExpertOperator.DOWN ? down : upper;
        long row =
                switch (operator) {
                    case DOWN -> expert;
                    case GATE -> 2L * expert;
                    case UP -> spec.gated() ? 2L * expert + 1 : expert;
                };
        try (NDArray rows = weights.read(manager, parameter, row, 1)) {
            // A copy, because rows are good until the next call only.
            NDArray matrix = rows.reshape(parameter.getShape().slice(1)).duplicate();
            matrix.attach(manager);
            ExpertSource.checkFinite(matrix, expert, operator);
            return matrix;
        }
    }
}
