package ai.molae.djl.lm;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RouterSpec;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;

/** Tiny models and arrays. */
final class LmFixture {

    static final int VOCAB = 11;
    static final int[][] TOKENS = {{3, 1, 4, 1, 5, 9}, {2, 6, 5, 3, 5, 8}};

    private LmFixture() {}

    /** A dense, a MoE and a MoLAE layer, auxiliary losses on, two query heads for each key/value head. */
    static ModelSpec spec() {
        return specBuilder().build();
    }

    static ModelSpec.Builder specBuilder() {
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(8)
                .setIntermediateSize(5)
                .setNumExperts(4)
                .setTopK(2)
                .optRouter(RouterSpec.builder()
                        .optAuxLossCoef(0.1)
                        .optZLossCoef(0.01)
                        .build())
                .build();
        return ModelSpec.builder()
                .setVocabSize(VOCAB)
                .setAttention(new GroupedQueryAttentionSpec(4, 2, 6, 100, true, QkNorm.PER_HEAD))
                .addLayers(1, DenseSpec.swiglu(8, 7))
                .addLayers(1, moe)
                .addLayers(
                        1,
                        moe.withLatent(LatentSpec.builder()
                                .setLatentSize(3)
                                .setGroupSize(2)
                                .build()))
                .optMaxPositionEmbeddings(16);
    }

    /** A block with parameters of standard deviation a half, norm weights around one. */
    static <B extends Block> B initialized(B block, NDManager manager, long seed, Shape input) {
        block.initialize(manager, DataType.FLOAT32, input);
        Random random = new Random(seed);
        for (Pair<String, Parameter> entry : block.getParameters()) {
            Parameter parameter = entry.getValue();
            float mean = parameter.getType() == Parameter.Type.GAMMA ? 1 : 0;
            float[] values = new float[(int) parameter.getShape().size()];
            for (int i = 0; i < values.length; i++) {
                values[i] = mean + 0.5f * (float) random.nextGaussian();
            }
            parameter.getArray().set(values);
        }
        return block;
    }

    static CausalLm model(ModelSpec spec, NDManager manager) {
        return initialized(CausalLm.builder().setSpec(spec).build(), manager, 7, new Shape(1, 1));
    }

    static Map<String, double[]> values(Block block) {
        Map<String, double[]> values = new HashMap<>();
        block.getParameters()
                .forEach(entry ->
                        values.put(entry.getKey(), doubles(entry.getValue().getArray())));
        return values;
    }

    static Map<String, double[]> gradients(Block block) {
        Map<String, double[]> gradients = new HashMap<>();
        block.getParameters().forEach(entry -> {
            try (NDArray gradient = entry.getValue().getArray().getGradient()) {
                gradients.put(entry.getKey(), doubles(gradient));
            }
        });
        return gradients;
    }

    static NDArray tokens(NDManager manager, int[][] tokens) {
        long[] flat = Arrays.stream(tokens)
                .flatMapToInt(Arrays::stream)
                .mapToLong(Integer::toUnsignedLong)
                .toArray();
        return manager.create(flat, new Shape(tokens.length, tokens[0].length));
    }

    static NDArray labels(NDManager manager, int[][] labels) {
        long[] flat = Arrays.stream(labels)
                .flatMapToInt(Arrays::stream)
                .mapToLong(label -> label)
                .toArray();
        return manager.create(flat, new Shape(labels.length, labels[0].length));
    }

    static NDList infer(Block block, NDArray input) {
        return block.forward(new ParameterStore(input.getManager(), false), new NDList(input), false);
    }

    /** Forward and backward of the model and its loss; returns the predictions. */
    static NDList train(CausalLm model, NDArray tokens, NDArray labels) {
        return train(model, new NDList(tokens), labels);
    }

    /** The same with a mask behind the tokens. */
    static NDList train(CausalLm model, NDList inputs, NDArray labels) {
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            NDList predictions = model.forward(new ParameterStore(labels.getManager(), false), inputs, true);
            collector.backward(new CausalLmLoss().evaluate(new NDList(labels), predictions));
            return predictions;
        }
    }

    static double[][] random(int rows, int columns, long seed) {
        Random random = new Random(seed);
        double[][] x = new double[rows][columns];
        for (double[] row : x) {
            // As float32 has them.
            Arrays.setAll(row, i -> (float) random.nextGaussian());
        }
        return x;
    }

    static NDArray array(NDManager manager, double[][] x, long... shape) {
        float[] flat = new float[x.length * x[0].length];
        for (int i = 0; i < flat.length; i++) {
            flat[i] = (float) x[i / x[0].length][i % x[0].length];
        }
        return manager.create(flat, new Shape(shape));
    }

    static double[] doubles(NDArray array) {
        float[] floats = array.toFloatArray();
        double[] doubles = new double[floats.length];
        Arrays.setAll(doubles, i -> floats[i]);
        return doubles;
    }

    /** {@code ‖x − y‖ / ‖y‖}. */
    static double relativeDistance(double[] x, double[] y) {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < x.length; i++) {
            difference += (x[i] - y[i]) * (x[i] - y[i]);
            norm += y[i] * y[i];
        }
        return Math.sqrt(difference / norm);
    }

    static double[] flat(double[][] x) {
        return Arrays.stream(x).flatMapToDouble(Arrays::stream).toArray();
    }

    static double[] flat(double[][][] x) {
        return Arrays.stream(x)
                .flatMap(Arrays::stream)
                .flatMapToDouble(Arrays::stream)
                .toArray();
    }
}
