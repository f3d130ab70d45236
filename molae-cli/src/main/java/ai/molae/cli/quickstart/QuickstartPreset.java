package ai.molae.cli.quickstart;

import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;

/** Sizes of small models, with a training length that fits them. */
public enum QuickstartPreset {
    /** Seconds; for a first look and for tests. */
    TINY(2, 64, 32, 8, 2, 60, 8, 128, 3e-3),
    /** Minutes on two cores; the default. */
    SMALL(4, 256, 128, 32, 4, 200, 8, 256, 2e-3),
    /** The expert shapes of the paper's pre-training pair (512 × 256, 32 experts) in six layers; a coffee break and more. */
    PAPER(6, 512, 256, 32, 4, 1000, 8, 256, 1e-3);

    private static final int HEAD_DIM = 32;

    private final int layers;
    private final int hiddenSize;
    private final int intermediateSize;
    private final int numExperts;
    private final int topK;

    /** Optimizer steps. */
    public final int steps;

    /** Sequences of a step. */
    public final int batchSize;

    /** Tokens of a sequence. */
    public final int sequenceLength;

    /** Peak learning rate. */
    public final double learningRate;

    QuickstartPreset(
            int layers,
            int hiddenSize,
            int intermediateSize,
            int numExperts,
            int topK,
            int steps,
            int batchSize,
            int sequenceLength,
            double learningRate) {
        this.layers = layers;
        this.hiddenSize = hiddenSize;
        this.intermediateSize = intermediateSize;
        this.numExperts = numExperts;
        this.topK = topK;
        this.steps = steps;
        this.batchSize = batchSize;
        this.sequenceLength = sequenceLength;
        this.learningRate = learningRate;
    }

    /**
     * The standard MoE model; the MoLAE model is the same with its experts factored.
     *
     * @param vocabSize tokens of the vocabulary
     * @param maxPositionEmbeddings the longest sequence
     * @return the model
     */
    public ModelSpec moeModel(int vocabSize, int maxPositionEmbeddings) {
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(hiddenSize)
                .setIntermediateSize(intermediateSize)
                .setNumExperts(numExperts)
                .setTopK(topK)
                .optRouter(RouterSpec.builder()
                        .optAuxLossCoef(0.01)
                        .optZLossCoef(0.001)
                        .build())
                .build();
        int heads = hiddenSize / HEAD_DIM;
        return ModelSpec.builder()
                .setVocabSize(vocabSize)
                .setAttention(GroupedQueryAttentionSpec.of(heads, heads / 2, HEAD_DIM))
                .addLayers(layers, moe)
                .optMaxPositionEmbeddings(maxPositionEmbeddings)
                .optTieWordEmbeddings(true)
                .build();
    }
}
