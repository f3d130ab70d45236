package ai.molae.bench.workload;

import ai.molae.cost.LayerScaling;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelPresets;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;

/** Shapes of layers: those of published models, and one that nothing divides. */
public enum Shape {
    /** Mixtral-8x7B: few large experts. */
    MIXTRAL_8X7B(ModelPresets.MIXTRAL_8X7B),
    /** Qwen1.5-MoE-A2.7B: a sigmoid-gated shared expert. */
    QWEN1_5_MOE_A2_7B(ModelPresets.QWEN1_5_MOE_A2_7B),
    /** Qwen3-30B-A3B: 128 small experts. */
    QWEN3_30B_A3B(ModelPresets.QWEN3_30B_A3B),
    /** OLMoE-1B-7B. */
    OLMOE_1B_7B(ModelPresets.OLMOE_1B_7B),
    /** DeepSeek-V2-Lite: two shared experts. */
    DEEPSEEK_V2_LITE(ModelPresets.DEEPSEEK_V2_LITE),
    /** DeepSeek-V3: 256 experts, of which router groups are chosen first. */
    DEEPSEEK_V3(ModelPresets.DEEPSEEK_V3),
    /** Moonlight-16B-A3B. */
    MOONLIGHT_16B_A3B(ModelPresets.MOONLIGHT_16B_A3B),
    /** The standard MoE of the paper's pre-training pair. */
    PAPER(ModelPresets.PAPER_MOE),
    /** Sizes that no kernel likes: hidden 1000, 13 experts of 333, top 3. */
    AWKWARD(
            MoeSpec.builder()
                    .setHiddenSize(1000)
                    .setIntermediateSize(333)
                    .setNumExperts(13)
                    .setTopK(3)
                    .build(),
            GroupedQueryAttentionSpec.of(20, 4, 50));

    @SuppressWarnings("ImmutableEnumChecker") // a record of records
    private final MoeSpec layer;

    @SuppressWarnings("ImmutableEnumChecker") // a record of records
    private final AttentionSpec attention;

    Shape(ModelSpec model) {
        this(
                model.feedForwards().stream()
                        .filter(MoeSpec.class::isInstance)
                        .map(MoeSpec.class::cast)
                        .findFirst()
                        .orElseThrow(),
                model.attention());
    }

    Shape(MoeSpec layer, AttentionSpec attention) {
        this.layer = layer;
        this.attention = attention;
    }

    /**
     * The standard layer as published.
     *
     * @return its spec
     */
    public MoeSpec published() {
        return layer;
    }

    /**
     * The standard layer, made smaller until it fits, see {@link LayerScaling}.
     *
     * @param scale the limit
     * @return its spec
     */
    public MoeSpec standard(Scale scale) {
        return standard(scale.mostParameters());
    }

    /**
     * The standard layer, made smaller as in {@link #standard(Scale)}.
     *
     * @param mostParameters the limit
     * @return its spec
     */
    MoeSpec standard(long mostParameters) {
        return LayerScaling.fit(layer, mostParameters);
    }

    /**
     * The attention of a model of another hidden size: fewer heads of the published width, low ranks as much narrower.
     *
     * @param hiddenSize n
     * @return its spec
     */
    AttentionSpec attention(int hiddenSize) {
        return attention instanceof LatentAttentionSpec latent
                ? fewerHeads(latent, hiddenSize)
                : fewerHeads((GroupedQueryAttentionSpec) attention, hiddenSize);
    }

    private AttentionSpec fewerHeads(GroupedQueryAttentionSpec published, int hiddenSize) {
        int heads = scaled(published.numAttentionHeads(), hiddenSize);
        int keyValueHeads = scaled(published.numKeyValueHeads(), hiddenSize);
        return new GroupedQueryAttentionSpec(
                heads,
                heads % keyValueHeads == 0 ? keyValueHeads : 1,
                published.headDim(),
                published.rope(),
                published.qkvBias(),
                published.outputBias(),
                published.qkNorm(),
                published.clipQkv(),
                published.slidingWindow());
    }

    private AttentionSpec fewerHeads(LatentAttentionSpec published, int hiddenSize) {
        return new LatentAttentionSpec(
                scaled(published.numAttentionHeads(), hiddenSize),
                published.qLoraRank() == 0 ? 0 : scaled(published.qLoraRank(), hiddenSize),
                scaled(published.kvLoraRank(), hiddenSize),
                published.qkNopeHeadDim(),
                published.qkRopeHeadDim(),
                published.vHeadDim(),
                published.rope(),
                published.normEps(),
                published.bias());
    }

    private int scaled(int number, int hiddenSize) {
        return Math.max(1, Math.toIntExact((long) number * hiddenSize / layer.hiddenSize()));
    }
}
