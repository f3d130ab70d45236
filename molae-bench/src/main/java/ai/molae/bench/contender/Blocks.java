package ai.molae.bench.contender;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.initializer.Initializer;
import ai.molae.bench.workload.LayerCase;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.NoGrad;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.LinkedHashMap;
import java.util.Map;

/** molae's blocks and DJL's arrays with the numbers of a {@link LayerCase}. */
final class Blocks {

    private Blocks() {}

    /** A block with the case's weights, float32. */
    static MoeBlock build(NDManager manager, MoeBlock.Builder builder, LayerCase layer) {
        MoeSpec spec = layer.spec();
        MoeBlock block = builder.setSpec(spec).build();
        block.setInitializer(Initializer.ZEROS, parameter -> true);
        block.initialize(manager, DataType.FLOAT32, new Shape(1, spec.hiddenSize()));
        try (NoGrad noGrad = new NoGrad()) {
            for (ParameterShape parameter : spec.parameters()) {
                fill(block.getDirectParameters().get(parameter.name()).getArray(), parameter, layer);
            }
        }
        return block;
    }

    private static void fill(NDArray array, ParameterShape parameter, LayerCase layer) {
        int slices = parameter.shape().get(0);
        long size = parameter.size() / slices;
        try (NDManager scope = array.getManager().newSubManager()) {
            NDArray flat = array.reshape(slices, size);
            flat.attach(scope);
            for (int i = 0; i < slices; i++) {
                try (NDArray numbers = scope.create(layer.slice(parameter, i))) {
                    flat.set(new NDIndex(i), numbers);
                }
            }
        }
    }

    /** The parameters of a block by name. */
    static Map<String, NDArray> parameters(MoeBlock block) {
        Map<String, NDArray> parameters = new LinkedHashMap<>();
        block.getDirectParameters()
                .forEach(
                        entry -> parameters.put(entry.getKey(), entry.getValue().getArray()));
        return parameters;
    }

    /** The case's inputs, each {@code [T, n]}. */
    static NDArray[] inputs(NDManager manager, LayerCase layer) {
        NDArray[] inputs = new NDArray[Contender.INPUTS];
        for (int i = 0; i < inputs.length; i++) {
            try (NDArray java = manager.create(
                    layer.input(i), new Shape(layer.tokens(), layer.spec().hiddenSize()))) {
                inputs[i] = java.duplicate();
            }
        }
        return inputs;
    }

    /** The same data under a manager that a call closes. */
    static NDArray alias(NDArray x, NDManager scope) {
        NDArray own = x.reshape(x.getShape());
        own.attach(scope);
        return own;
    }
}
