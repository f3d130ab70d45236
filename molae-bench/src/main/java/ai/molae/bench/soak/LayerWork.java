package ai.molae.bench.soak;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;

/** Forward and backward passes of a layer by itself. */
final class LayerWork {

    private static final int TOKENS = 48;
    private static final int PASSES = 4;

    private LayerWork() {}

    /** On molae's tape. */
    static Work tape(Precision precision) {
        return seed -> gradients(precision, seed, GradientTape::new);
    }

    /** On DJL's own collector. */
    static Work djl(Precision precision) {
        return seed ->
                gradients(precision, seed, () -> Engine.getEngine("PyTorch").newGradientCollector());
    }

    private static String gradients(Precision precision, long seed, Supplier<GradientCollector> collectors) {
        Engine.getEngine("PyTorch").setRandomSeed((int) seed);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            MoeBlock block = MoeBlock.builder()
                    .setSpec(SmallModels.MOLAE)
                    .optPrecision(precision)
                    .build();
            Shape shape = new Shape(TOKENS, SmallModels.MOLAE.hiddenSize());
            block.initialize(manager, DataType.FLOAT32, shape);
            List<Integer> hashes = new ArrayList<>();
            for (int pass = 0; pass < PASSES; pass++) {
                try (NDManager scope = manager.newSubManager()) {
                    NDArray x = scope.randomNormal(shape);
                    x.setRequiresGradient(true);
                    try (GradientCollector collector = collectors.get()) {
                        NDList outputs = block.forward(new ParameterStore(scope, false), new NDList(x), true);
                        collector.backward(outputs.get(0).square().sum().add(outputs.get(1)));
                    }
                    hashes.add(hash(x));
                }
                for (Parameter parameter : block.getParameters().values()) {
                    hashes.add(hash(parameter.getArray()));
                }
            }
            return hashes.toString();
        }
    }

    /** Of the gradient, which is added up over passes for parameters. */
    private static int hash(NDArray array) {
        try (NDArray gradient = array.getGradient()) {
            return Arrays.hashCode(gradient.toFloatArray());
        }
    }
}
