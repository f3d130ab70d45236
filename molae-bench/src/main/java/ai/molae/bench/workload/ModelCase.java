package ai.molae.bench.workload;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.molae.cost.CostModel;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.Random;

/**
 * A language model of three layers of a shape, with its attention, small enough for a scale. The vocabulary is 8 n, at most 8192, so that head and
 * embedding stay a small part, as they are in large models. Weights are those of a freshly initialised model, with variance 1 / n, tokens are uniform; both follow
 * from fixed seeds, but two variants share no weights.
 *
 * @param shape the model whose layers it has
 * @param scale the most parameters of the whole standard model
 * @param variant what its layers are
 */
public record ModelCase(Shape shape, Scale scale, Variant variant) {

    /** Positions that a model has, more than any benchmark reads. */
    private static final int LONGEST = 4096;

    private static final int LAYERS = 3;
    private static final int MOST_TOKENS = 8192;
    private static final int SEED = 42;

    /**
     * The model.
     *
     * @return its spec
     */
    public ModelSpec spec() {
        MoeSpec layer = shape.standard(scale.mostParameters() / LAYERS);
        while (CostModel.model(standard(layer)).parameters() > scale.mostParameters()) {
            layer = shape.standard(CostModel.layer(layer).parameters() - 1);
        }
        return standard(layer).mapMoe(variant::of);
    }

    private ModelSpec standard(MoeSpec layer) {
        return ModelSpec.builder()
                .setVocabSize(Math.min(MOST_TOKENS, 8 * layer.hiddenSize()))
                .setAttention(shape.attention(layer.hiddenSize()))
                .addLayers(LAYERS, layer)
                .optMaxPositionEmbeddings(LONGEST)
                // With the usual 0.02 layers this narrow add next to nothing to the embedding, and no check would see
                // them.
                .optInitializerRange(1 / Math.sqrt(layer.hiddenSize()))
                .build();
    }

    /**
     * Builds the model, on the device of a manager.
     *
     * @param manager will own the parameters
     * @param precision of the products, FLOAT32 or BFLOAT16
     * @return an initialised model with float32 parameters
     */
    public CausalLm build(NDManager manager, Precision precision) {
        Engine.getEngine("PyTorch").setRandomSeed(SEED);
        CausalLm model =
                CausalLm.builder().setSpec(spec()).optPrecision(precision).build();
        model.initialize(manager, DataType.FLOAT32, new ai.djl.ndarray.types.Shape(1, 1));
        return model;
    }

    /**
     * Tokens to read.
     *
     * @param number their number; others are other tokens
     * @param count how many
     * @return ids of the vocabulary
     */
    public int[] tokens(int number, int count) {
        return new Random(SEED * 1_000_003L + number)
                .ints(count, 0, spec().vocabSize())
                .toArray();
    }
}
