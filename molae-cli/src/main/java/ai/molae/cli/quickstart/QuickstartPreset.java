package ai.molae.cli.quickstart;

import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;

/** Sizes of the two models, with a training length that fits them. */
enum QuickstartPreset {
    /** Seconds; for a first look and for tests. */
    TINY(2, 64, 32, 8, 2, 60, 8, 128, 3e-3),
    /** Minutes on two cores; the default. */
    SMALL(4, 256, 128, 32, 4, 200, 8, 256, 2e-3),
    /** The expert shapes of the paper's pre-training pair (512 × 256, 32 experts) in six layers; a coffee break and more. */
    PAPER(6, 512, 256, 32, 4, 1000, 8, 256, 1e-3);

    private static final int HEAD_DIM = 32;

    final int layers;
    final int hiddenSize;
    final int intermediateSize;
    final int numExperts;
    final int topK;
    final int steps;
    final int batchSize;
    final int sequenceLength;
    final double learningRate;

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

    /** The standard MoE model; the MoLAE model is the same with its experts factored. */
    ModelSpec moeModel(int vocabSize, int maxPositionEmbeddings) {
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
