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
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;

/**
 * The matrices of a layer of a checkpoint, of a factored layer the experts' own factors, read and decoded when they are asked for; those that are not
 * finite are refused. For one thread.
 */
final class CheckpointExperts implements ExpertSource {

    private final MoeSpec spec;
    private final WeightSource weights;
    private final Map<ExpertOperator, Parameter> parameters = new EnumMap<>(ExpertOperator.class);

    /**
     * The layer of a checkpoint.
     *
     * @param checkpoint open as long as this
     * @param layer a MoE layer
     */
    CheckpointExperts(Checkpoint checkpoint, int layer) {
        spec = (MoeSpec) checkpoint.spec().feedForwards().get(layer);
        int m = spec.intermediateSize();
        Map<String, Parameter> byPath = new HashMap<>();
        for (ExpertOperator operator : spec.operators()) {
            int width = spec.expertWidth(operator);
            // One row for each matrix, so that gate and up of an expert can be read apart.
            Shape shape = operator == ExpertOperator.DOWN
                    ? new Shape(spec.numExperts(), width, m)
                    : new Shape((spec.fusedGateUp() ? 2L : 1L) * spec.numExperts(), m, width);
            String name = name(operator);
            parameters.put(
                    operator,
                    byPath.computeIfAbsent("layers." + layer + ".mlp." + name, path -> parameter(name, shape)));
        }
        weights = checkpoint.weights(byPath);
    }

    private String name(ExpertOperator operator) {
        return switch (operator) {
            case GATE -> spec.fusedGateUp() ? "gate_up" : "gate";
            case UP -> spec.fusedGateUp() ? "gate_up" : "up";
            case DOWN -> "down";
        };
    }

    /** A source for each thread that asks, whose reads are counted: each has a buffer of its own. */
    static Supplier<ExpertSource> perThread(Checkpoint checkpoint, int layer, ReadCounter counter) {
        return counter.perThread(() -> new CheckpointExperts(checkpoint, layer));
    }

    /** A parameter of a checkpoint, to be read by rows. */
    static Parameter parameter(String name, Shape shape) {
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
        Parameter parameter = Objects.requireNonNull(parameters.get(operator), "no such operator");
        boolean fused = operator != ExpertOperator.DOWN && spec.fusedGateUp();
        long row = fused ? 2L * expert + (operator == ExpertOperator.UP ? 1 : 0) : expert;
        NDArray matrix = row(manager, weights, parameter, row);
        ExpertSource.checkFinite(matrix, expert, operator);
        return matrix;
    }

    /** A row of a parameter in its own shape, float32. */
    static NDArray row(NDManager manager, WeightSource weights, Parameter parameter, long row) {
        try (NDArray rows = weights.read(manager, parameter, row, 1)) {
            // A copy, because rows are good until the next call only.
            NDArray copy = rows.reshape(parameter.getShape().slice(1)).duplicate();
            copy.attach(manager);
            return copy;
        }
    }
}
