package ai.molae.djl.convert.calibrate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.spec.MoeSpec;
import ai.molae.testing.NearTies;
import ai.molae.testing.RandomSpecs;
import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;

/** A standard layer with parameters and tokens that are float32 numbers, so that the reference reads the same ones. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record MomentCase(MoeSpec spec, Map<String, double[]> parameters, double[][] xTn) {

    /** Draws parameters and tokens until no choice hangs on rounding. */
    static MomentCase draw(MoeSpec spec, int tokens, SplittableRandom random) {
        while (true) {
            MomentCase drawn = new MomentCase(
                    spec, RandomSpecs.randomParameters(spec, random), RandomSpecs.randomTokens(spec, tokens, random));
            drawn.parameters.values().forEach(MomentCase::round);
            Arrays.stream(drawn.xTn).forEach(MomentCase::round);
            double[] bias = drawn.parameters.getOrDefault("e_score_correction_bias", new double[0]);
            if (!NearTies.isNear(spec, drawn.logits(), bias)) {
                return drawn;
            }
        }
    }

    private static void round(double[] values) {
        Arrays.setAll(values, i -> (float) values[i]);
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

    MoeBlock block(NDManager manager) {
        MoeBlock block = new MoeBlock(spec);
        block.initialize(manager, DataType.FLOAT32, new Shape(1, spec.hiddenSize()));
        parameters.forEach((name, values) ->
                block.getDirectParameters().get(name).getArray().set(floats(values)));
        return block;
    }

    /** Some of the tokens. */
    NDArray x(NDManager manager, int from, int to) {
        double[] flat =
                Arrays.stream(xTn, from, to).flatMapToDouble(Arrays::stream).toArray();
        return manager.create(floats(flat), new Shape(to - from, spec.hiddenSize()));
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }
}
