package ai.molae.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.LinkedHashMap;
import java.util.Map;

/** Layers and inputs that the benchmarks share. */
final class Layers {

    private Layers() {}

    /** What a map has for a key that it must have. */
    static <K, V> V of(Map<K, V> map, K key) {
        V value = map.get(key);
        if (value == null) {
            throw new IllegalArgumentException("no " + key + ", only " + map.keySet());
        }
        return value;
    }

    /** A standard layer with SwiGLU experts. */
    static MoeSpec moe(int hidden, int expert, int experts, int topK) {
        return MoeSpec.builder()
                .setHiddenSize(hidden)
                .setIntermediateSize(expert)
                .setNumExperts(experts)
                .setTopK(topK)
                .build();
    }

    /** Its latent counterpart: all operators factored with the expert size as latent size, one group. */
    static MoeSpec molae(MoeSpec moe) {
        return moe.withLatent(LatentSpec.builder()
                .setLatentSize(moe.intermediateSize())
                .setGroupSize(moe.numExperts())
                .build());
    }

    /** Initialises a layer with random weights. */
    static MoeBlock initialize(NDManager manager, MoeBlock.Builder builder, MoeSpec spec) {
        MoeBlock block = builder.setSpec(spec).build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, spec.hiddenSize()));
        return block;
    }

    /** A copy of a layer, packed for inference. */
    static MoeBlock prepared(NDManager manager, MoeBlock block, Precision precision) {
        MoeBlock copy = initialize(manager, MoeBlock.builder(), block.spec());
        try (NoGrad noGrad = new NoGrad()) {
            parameters(block)
                    .forEach((name, array) ->
                            array.copyTo(copy.getDirectParameters().get(name).getArray()));
        }
        copy.prepareForInference(precision);
        return copy;
    }

    /** The parameters of a layer by name. */
    static Map<String, NDArray> parameters(MoeBlock block) {
        Map<String, NDArray> parameters = new LinkedHashMap<>();
        block.getDirectParameters()
                .forEach(
                        entry -> parameters.put(entry.getKey(), entry.getValue().getArray()));
        return parameters;
    }

    /** Different batches of random tokens. */
    static NDArray[] inputs(NDManager manager, int count, int tokens, int hidden) {
        NDArray[] inputs = new NDArray[count];
        for (int i = 0; i < count; i++) {
            inputs[i] = manager.randomNormal(new Shape(tokens, hidden));
        }
        return inputs;
    }

    /** One inference call; its result is freed. */
    static void infer(MoeBlock block, NDArray x) {
        try (NDManager scope = x.getManager().newSubManager()) {
            block.forward(new ParameterStore(scope, false), new NDList(alias(x, scope)), false);
        }
    }

    /** The same data under a manager that a step closes. */
    static NDArray alias(NDArray x, NDManager scope) {
        NDArray own = x.reshape(x.getShape());
        own.attach(scope);
        return own;
    }
}
