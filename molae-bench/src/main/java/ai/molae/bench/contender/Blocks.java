package ai.molae.bench.contender;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.training.initializer.Initializer;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Variant;
import ai.molae.djl.lm.DenseFeedForward;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.PreparableBlock;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.LinkedHashMap;
import java.util.Map;

/** molae's blocks and DJL's arrays with the numbers of a {@link LayerCase}. */
final class Blocks {

    private Blocks() {}

    /**
     * molae's block for a case, float32, with the case's weights.
     *
     * @param precision of its products in training
     * @param recompute whether training keeps no activations
     */
    static PreparableBlock molae(NDManager manager, LayerCase layer, Precision precision, boolean recompute) {
        MoeSpec spec = layer.spec();
        if (layer.variant() != Variant.DENSE) {
            return build(manager, MoeBlock.builder().optPrecision(precision).optRecompute(recompute), layer);
        }
        if (recompute) {
            throw new IllegalArgumentException(
                    "a dense feed-forward recomputes nothing by itself; use another variant, or keep its activations");
        }
        DenseSpec dense = new DenseSpec(spec.hiddenSize(), spec.intermediateSize(), spec.activation(), spec.gated());
        return filled(manager, new DenseFeedForward(dense, precision, 1), spec, layer);
    }

    /** A {@code MoeBlock} with the case's weights, float32. */
    static MoeBlock build(NDManager manager, MoeBlock.Builder builder, LayerCase layer) {
        return build(manager, builder, layer.spec(), layer);
    }

    /** A block of any spec with weights as the case would have them. */
    static MoeBlock build(NDManager manager, MoeBlock.Builder builder, MoeSpec spec, LayerCase layer) {
        return filled(manager, builder.setSpec(spec).build(), spec, layer);
    }

    private static <B extends AbstractBlock> B filled(NDManager manager, B block, MoeSpec spec, LayerCase layer) {
        block.setInitializer(Initializer.ZEROS, parameter -> true);
        block.initialize(manager, DataType.FLOAT32, new Shape(1, spec.hiddenSize()));
        for (ParameterShape parameter : spec.parameters()) {
            if (block.getDirectParameters().contains(parameter.name())) {
                try (ArrayWriter writer = new ArrayWriter(
                        block.getDirectParameters().get(parameter.name()).getArray())) {
                    for (int i = 0; i < parameter.shape().get(0); i++) {
                        writer.write(layer.slice(parameter, i));
                    }
                }
            }
        }
        return block;
    }

    /** The parameters of a block by name. */
    static Map<String, NDArray> parameters(Block block) {
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
            inputs[i] = manager.zeros(new Shape(layer.tokens(), layer.spec().hiddenSize()));
            try (ArrayWriter writer = new ArrayWriter(inputs[i])) {
                writer.write(layer.input(i));
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

    /** Waits until a result is there: a GPU computes it while Java goes on. */
    static void await(NDArray y) {
        if (!y.getDevice().getDeviceType().equals(Device.Type.CPU)) {
            y.sum().getFloat();
        }
    }
}
