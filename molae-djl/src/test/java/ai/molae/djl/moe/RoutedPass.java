package ai.molae.djl.moe;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.GradientTape;
import ai.molae.route.Routing;
import ai.molae.route.TopKRouter;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** Sequences of logits, some of them padding, for a layer whose router has the identity as its matrix: logits are what its tokens are. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record RoutedPass(int sequences, int length, double[][] logitsTN, boolean[] real) {

    static final int EXPERTS = 6;
    static final int TOP_K = 2;

    static MoeSpec layer(RouterSpec router) {
        return MoeSpec.builder()
                .setHiddenSize(EXPERTS)
                .setIntermediateSize(3)
                .setNumExperts(EXPERTS)
                .setTopK(TOP_K)
                .optRouter(router)
                .build();
    }

    /** Every third token of the even sequences is padding, and all of the second. */
    static RoutedPass draw(int sequences, int length, SplittableRandom random) {
        double[][] logitsTN = new double[sequences * length][];
        boolean[] real = new boolean[logitsTN.length];
        for (int t = 0; t < logitsTN.length; t++) {
            logitsTN[t] = random.doubles(EXPERTS, -2, 2).map(l -> (float) l).toArray();
            // So that experts differ in load.
            logitsTN[t][1] += 1;
            real[t] = t / length != 1 && (t / length % 2 == 1 || t % length % 3 != 2);
        }
        return new RoutedPass(sequences, length, logitsTN, real);
    }

    /** Some of the sequences. */
    RoutedPass part(int from, int to) {
        return new RoutedPass(
                to - from,
                length,
                Arrays.copyOfRange(logitsTN, from * length, to * length),
                Arrays.copyOfRange(real, from * length, to * length));
    }

    int tokens() {
        return (int) IntStream.range(0, real.length).filter(t -> real[t]).count();
    }

    /** Tokens of each sequence. */
    int[] lengths() {
        return IntStream.range(0, sequences).map(b -> part(b, b + 1).tokens()).toArray();
    }

    double[][] realLogits() {
        return IntStream.range(0, real.length)
                .filter(t -> real[t])
                .mapToObj(t -> logitsTN[t])
                .toArray(double[][]::new);
    }

    /** What core makes of it, without padding. */
    Routing routing(MoeSpec spec) {
        double[] bias = spec.router().correctionBias() ? new double[EXPERTS] : new double[0];
        return new TopKRouter(spec).route(logitsTN, bias, real).only(real);
    }

    static MoeBlock block(NDManager manager, MoeBlock.Builder builder) {
        MoeBlock block = builder.build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, EXPERTS));
        float[] identity = new float[EXPERTS * EXPERTS];
        for (int i = 0; i < EXPERTS; i++) {
            identity[i * (EXPERTS + 1)] = 1;
        }
        block.getDirectParameters().get("router").getArray().set(identity);
        return block;
    }

    NDArray x(NDManager manager) {
        return manager.create(LayerCase.floats(LayerCase.flat(logitsTN)), new Shape(sequences, length, EXPERTS))
                .duplicate();
    }

    NDArray mask(NDManager manager) {
        long[] mask =
                IntStream.range(0, real.length).mapToLong(t -> real[t] ? 1 : 0).toArray();
        return manager.create(mask, new Shape(sequences, length));
    }

    /** Trains on aux alone; returns it and its gradient of every logit that is no padding. */
    Result train(MoeBlock block, NDManager manager, boolean tape) {
        NDArray x = x(manager);
        x.setRequiresGradient(true);
        try (GradientCollector collector =
                tape ? new GradientTape() : Engine.getInstance().newGradientCollector()) {
            NDList outputs = block.forward(new ParameterStore(manager, false), new NDList(x, mask(manager)), true);
            NDArray nothing = outputs.head().sum().mul(manager.zeros(new Shape()));
            collector.backward(nothing.add(outputs.get(1)));
            return new Result(outputs.get(1).getFloat(), outputs.head().toFloatArray(), of(x.getGradient()));
        }
    }

    private double[] of(NDArray gradient) {
        float[] all = gradient.toFloatArray();
        return IntStream.range(0, all.length)
                .filter(i -> real[i / EXPERTS])
                .mapToDouble(i -> all[i])
                .toArray();
    }

    /** What training gave. */
    record Result(double aux, float[] y, double[] gradient) {}
}
