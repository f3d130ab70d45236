package ai.molae.djl.moe;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.reference.ReferenceMoe;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import ai.molae.testing.NearTies;
import ai.molae.testing.RandomSpecs;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Supplier;

/**
 * A layer with parameters, tokens and upstream gradients, to be run by {@link ReferenceMoe} and by what is tested. All numbers are
 * representable in the element type under test, so that both read the same ones.
 *
 * <p>Results are named arrays: {@code y}, {@code aux}, {@code load}, {@code dx} and {@code d} + parameter, of the loss
 * {@code Σ y·gradY + aux·gradAux}.
 */
@SuppressWarnings("ArrayRecordComponent") // read element by element, never compared
record LayerCase(MoeSpec spec, Map<String, double[]> parameters, double[][] xTn, double[][] gradYTn, double gradAux) {

    static final DoubleUnaryOperator FLOAT32 = v -> (float) v;
    /** To nearest, ties to even, as the hardware does. */
    static final DoubleUnaryOperator BFLOAT16 = v -> {
        int bits = Float.floatToRawIntBits((float) v);
        return Float.intBitsToFloat((bits + 0x7fff + (bits >>> 16 & 1)) & 0xffff0000);
    };

    /** Draws parameters and tokens until no token's choice hangs on rounding. */
    static LayerCase draw(MoeSpec spec, int tokens, SplittableRandom random, DoubleUnaryOperator round) {
        while (true) {
            LayerCase drawn = new LayerCase(
                    spec,
                    RandomSpecs.randomParameters(spec, random),
                    RandomSpecs.randomTokens(spec, tokens, random),
                    RandomSpecs.randomTokens(spec, tokens, random),
                    random.nextDouble(0.5, 2));
            drawn.rounded(round);
            if (!NearTies.isNear(spec, drawn.logits(), drawn.correctionBias())) {
                return drawn;
            }
        }
    }

    /** All experts tie for every token. */
    LayerCase withZeroRouter() {
        Map<String, double[]> changed = new LinkedHashMap<>(parameters);
        changed.computeIfPresent("router", (name, values) -> new double[values.length]);
        changed.computeIfPresent("e_score_correction_bias", (name, values) -> new double[values.length]);
        return new LayerCase(spec, changed, xTn, gradYTn, gradAux);
    }

    /** All tokens choose the same experts. */
    LayerCase withEqualTokens() {
        double[][] equal = new double[xTn.length][];
        Arrays.setAll(equal, t -> xTn[0].clone());
        return new LayerCase(spec, parameters, equal, gradYTn, gradAux);
    }

    private void rounded(DoubleUnaryOperator round) {
        parameters.values().forEach(values -> Arrays.setAll(values, i -> round.applyAsDouble(values[i])));
        for (double[] xn : xTn) {
            Arrays.setAll(xn, i -> round.applyAsDouble(xn[i]));
        }
        for (double[] gradYn : gradYTn) {
            Arrays.setAll(gradYn, i -> round.applyAsDouble(gradYn[i]));
        }
    }

    private double[] correctionBias() {
        return parameters.getOrDefault("e_score_correction_bias", new double[0]);
    }

    private double[][] logits() {
        double[] w = parameters.get("router");
        int n = spec.hiddenSize();
        double[][] logitsTN = new double[xTn.length][spec.numExperts()];
        for (int t = 0; t < xTn.length; t++) {
            for (int i = 0; i < w.length; i++) {
                logitsTN[t][i / n] += w[i] * xTn[t][i % n];
            }
        }
        return logitsTN;
    }

    ReferenceMoe.Forward reference() {
        return new ReferenceMoe(spec, parameters).forward(xTn);
    }

    Map<String, double[]> expected() {
        Map<String, double[]> expected = new LinkedHashMap<>();
        ReferenceMoe.Forward forward = reference();
        expected.put("y", flat(forward.y()));
        expected.put("aux", new double[] {forward.auxLoss()});
        expected.put(
                "load",
                Arrays.stream(forward.routing().tokensPerExpert())
                        .asDoubleStream()
                        .toArray());
        ReferenceMoe.Gradients gradients = new ReferenceMoe(spec, parameters).backward(xTn, gradYTn, gradAux);
        expected.put("dx", flat(gradients.x()));
        gradients.parameters().forEach((name, gradient) -> expected.put("d " + name, gradient));
        return expected;
    }

    /** A block with the parameters of this case, initialised on the manager. */
    MoeBlock block(NDManager manager, MoeBlock.Builder builder) {
        MoeBlock block = builder.setSpec(spec).build();
        block.initialize(manager, DataType.FLOAT32, new Shape(1, spec.hiddenSize()));
        parameters.forEach((name, values) ->
                block.getDirectParameters().get(name).getArray().set(floats(values)));
        return block;
    }

    NDArray x(NDManager manager) {
        return manager.create(floats(flat(xTn)), new Shape(xTn.length, spec.hiddenSize()));
    }

    NDArray loss(NDManager manager, NDList outputs) {
        // not mul(Number): DJL frees its operand before backward
        NDArray y = outputs.get(0);
        NDArray gradY = manager.create(floats(flat(gradYTn)), y.getShape());
        NDArray loss = y.mul(gradY).sum();
        return outputs.size() > 1 ? loss.add(outputs.get(1).mul(manager.full(new Shape(), (float) gradAux))) : loss;
    }

    /** Runs a training step of {@code block} without update. */
    Map<String, double[]> actual(NDManager manager, MoeBlock block) {
        return actual(manager, block, LayerCase::djlCollector, () -> {});
    }

    static GradientCollector djlCollector() {
        return Engine.getInstance().newGradientCollector();
    }

    /** Runs a training step of {@code block} without update, and something between forward and backward. */
    Map<String, double[]> actual(
            NDManager manager, MoeBlock block, Supplier<GradientCollector> collectors, Runnable between) {
        Map<String, double[]> actual = new LinkedHashMap<>();
        NDArray x = x(manager);
        x.setRequiresGradient(true);
        try (GradientCollector collector = collectors.get()) {
            NDList outputs = block.forward(new ParameterStore(manager, false), new NDList(x), true);
            actual.put("y", doubles(outputs.get(0)));
            actual.put("aux", doubles(outputs.get(1)));
            actual.put(
                    "load",
                    Arrays.stream(outputs.get(2).toLongArray()).asDoubleStream().toArray());
            NDArray loss = loss(manager, outputs);
            between.run();
            collector.backward(loss);
        }
        actual.put("dx", doubles(x.getGradient()));
        for (ParameterShape parameter : spec.parameters()) {
            NDArray array = block.getDirectParameters().get(parameter.name()).getArray();
            if (array.hasGradient()) {
                try (NDArray gradient = array.getGradient()) {
                    actual.put("d " + parameter.name(), doubles(gradient));
                }
            }
        }
        return actual;
    }

    /** Runs inference. */
    Map<String, double[]> inferred(NDManager manager, MoeBlock block) {
        NDList outputs = block.forward(new ParameterStore(manager, false), new NDList(x(manager)), false);
        return Map.of("y", doubles(outputs.singletonOrThrow()));
    }

    /** Runs {@link NDArrayMoe}, which returns no load, and something between forward and backward. */
    Map<String, double[]> twin(NDManager manager, Runnable between) {
        Map<String, NDArray> arrays = new LinkedHashMap<>();
        for (ParameterShape parameter : spec.parameters()) {
            NDArray array = manager.create(
                    floats(parameters.get(parameter.name())),
                    new Shape(parameter.shape().stream()
                            .mapToLong(Integer::longValue)
                            .toArray()));
            array.setRequiresGradient(!parameter.name().equals("e_score_correction_bias"));
            arrays.put(parameter.name(), array);
        }
        Map<String, double[]> actual = new LinkedHashMap<>();
        NDArray x = x(manager);
        x.setRequiresGradient(true);
        try (GradientCollector collector = djlCollector()) {
            NDList outputs = NDArrayMoe.forward(spec, arrays, x);
            actual.put("y", doubles(outputs.get(0)));
            actual.put("aux", doubles(outputs.get(1)));
            NDArray loss = loss(manager, outputs);
            between.run();
            collector.backward(loss);
        }
        actual.put("dx", doubles(x.getGradient()));
        arrays.forEach((name, array) -> {
            if (array.hasGradient()) {
                actual.put("d " + name, doubles(array.getGradient()));
            }
        });
        return actual;
    }

    static double[] flat(double[][] rows) {
        return Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
    }

    static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    static double[] doubles(NDArray array) {
        float[] floats = array.toFloatArray();
        double[] doubles = new double[floats.length];
        Arrays.setAll(doubles, i -> floats[i]);
        return doubles;
    }
}
