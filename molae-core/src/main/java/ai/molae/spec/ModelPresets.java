package ai.molae.spec;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Published models as {@link ModelSpec}s, with every parameter of their checkpoints counted, and the paper's own
 * pre-training pair.
 *
 * <pre>{@code
 * ModelSpec qwen = ModelPresets.get("Qwen3-30B-A3B");
 * LatentSpec latent = LatentSpec.builder().setLatentSize(768).setGroupSize(128).build();
 * ModelSpec molae = qwen.mapMoe(moe -> moe.withLatent(latent));
 * }</pre>
 *
 * <p>Left out, because {@code ModelSpec} describes the layers only: DeepSeek-V3's extra multi-token-prediction layer and its FP8 block scales, and the unused dense widths of the Qwen
 * configs. {@code aux_loss_alpha} of DeepSeek divides the load by K, {@code router_aux_loss_coef} does not, so its
 * presets hold {@code aux_loss_alpha / K}.
 */
public final class ModelPresets {

    /** Mixtral-8x7B: 46,702,792,704 parameters, 8 experts of 14,336, top 2, softmax over the chosen. */
    public static final ModelSpec MIXTRAL_8X7B = mixtral();

    /**
     * Qwen1.5-MoE-A2.7B: 14,315,784,192 parameters, 60 experts of 1,408, top 4 not normalised, sigmoid-gated shared
     * expert.
     */
    public static final ModelSpec QWEN1_5_MOE_A2_7B = qwen15Moe();

    /** Qwen3-30B-A3B: 30,532,122,624 parameters, 128 experts of 768, top 8 normalised, norm on each head of q and k. */
    public static final ModelSpec QWEN3_30B_A3B = qwen3();

    /**
     * OLMoE-1B-7B-0924: 6,919,161,856 parameters, 64 experts of 1,024, top 8 not normalised, norm on all of q and k.
     */
    public static final ModelSpec OLMOE_1B_7B = olmoe();

    /**
     * DeepSeek-V2-Lite: 15,706,484,224 parameters, 64 experts of 1,408, top 6, two shared, latent attention, first
     * layer dense.
     */
    public static final ModelSpec DEEPSEEK_V2_LITE = deepSeekV2Lite();

    /**
     * DeepSeek-V3: 671,026,419,200 parameters, 256 experts of 2,048, top 8 of the 4 best of 8 router groups, one
     * shared, latent attention with factored queries, first three layers dense.
     */
    public static final ModelSpec DEEPSEEK_V3 = deepSeekV3();

    /** Moonlight-16B-A3B: 15,960,110,208 parameters, the shape of DeepSeek-V2-Lite with the router of DeepSeek-V3. */
    public static final ModelSpec MOONLIGHT_16B_A3B = moonlight();

    /**
     * The standard MoE of the paper's pre-training pair (Liu et al., arXiv 2503.23100): hidden size 512, 12 layers, 32
     * experts of 256; 150,994,944 routed-expert parameters.
     *
     * <p>Not given by the paper and chosen here: top 8 (8·256 = 4·512, the active width of an ordinary dense layer), a
     * normalised softmax router with the usual balancing coefficient 0.01, 8 heads of 64, vocabulary 32,000 with tied
     * embeddings, 2,048 positions.
     */
    public static final ModelSpec PAPER_MOE = paperMoe();

    /**
     * The MoLAE of the paper's pre-training pair: {@link #PAPER_MOE} with gate, up and down factored at latent size 256
     * in groups of 8 consecutive experts; 94,371,840 routed-expert parameters.
     */
    public static final ModelSpec PAPER_MOLAE = PAPER_MOE.mapMoe(moe -> moe.withLatent(
            LatentSpec.builder().setLatentSize(256).setGroupSize(8).build()));

    private static final Map<String, ModelSpec> BY_NAME = byName();

    private ModelPresets() {}

    /**
     * The names that {@link #get} knows.
     *
     * @return the names, published models first
     */
    public static List<String> names() {
        return List.copyOf(BY_NAME.keySet());
    }

    /**
     * A preset by its name, upper or lower case.
     *
     * @param name one of {@link #names()}
     * @return the model
     * @throws IllegalArgumentException if there is no such preset; the message lists those there are
     */
    public static ModelSpec get(String name) {
        for (Map.Entry<String, ModelSpec> preset : BY_NAME.entrySet()) {
            if (preset.getKey().equalsIgnoreCase(name)) {
                return preset.getValue();
            }
        }
        throw new IllegalArgumentException(
                "no model preset is named \"" + name + "\"; there are " + String.join(", ", BY_NAME.keySet()));
    }

    private static Map<String, ModelSpec> byName() {
        Map<String, ModelSpec> presets = new LinkedHashMap<>();
        presets.put("Mixtral-8x7B", MIXTRAL_8X7B);
        presets.put("Qwen1.5-MoE-A2.7B", QWEN1_5_MOE_A2_7B);
        presets.put("Qwen3-30B-A3B", QWEN3_30B_A3B);
        presets.put("OLMoE-1B-7B", OLMOE_1B_7B);
        presets.put("DeepSeek-V2-Lite", DEEPSEEK_V2_LITE);
        presets.put("DeepSeek-V3", DEEPSEEK_V3);
        presets.put("Moonlight-16B-A3B", MOONLIGHT_16B_A3B);
        presets.put("Paper-MoE", PAPER_MOE);
        presets.put("Paper-MoLAE", PAPER_MOLAE);
        return Collections.unmodifiableMap(presets);
    }

    private static ModelSpec mixtral() {
        RouterSpec router = RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN)
                .optAuxLossCoef(0.02)
                .optAuxLossScope(AuxLossScope.MODEL)
                .build();
        return ModelSpec.builder()
                .setVocabSize(32_000)
                .setAttention(new GroupedQueryAttentionSpec(32, 8, 128, 1e6, false, QkNorm.NONE))
                .addLayers(32, moe(4096, 14_336, 8, 2).optRouter(router).build())
                .optMaxPositionEmbeddings(32_768)
                .optRmsNormEps(1e-5)
                .build();
    }

    private static ModelSpec qwen15Moe() {
        return ModelSpec.builder()
                .setVocabSize(151_936)
                .setAttention(new GroupedQueryAttentionSpec(16, 16, 128, 1e6, true, QkNorm.NONE))
                .addLayers(
                        24,
                        moe(2048, 1408, 60, 4)
                                .optRouter(softmax(false, 0.001, AuxLossScope.MODEL))
                                .optSharedExpert(new SharedExpertSpec(5632, true))
                                .build())
                .optMaxPositionEmbeddings(8192)
                .optRmsNormEps(1e-6)
                .build();
    }

    private static ModelSpec qwen3() {
        return ModelSpec.builder()
                .setVocabSize(151_936)
                .setAttention(new GroupedQueryAttentionSpec(32, 4, 128, 1e6, false, QkNorm.PER_HEAD))
                .addLayers(
                        48,
                        moe(2048, 768, 128, 8)
                                .optRouter(softmax(true, 0.001, AuxLossScope.MODEL))
                                .build())
                .optMaxPositionEmbeddings(40_960)
                .optRmsNormEps(1e-6)
                .build();
    }

    private static ModelSpec olmoe() {
        return ModelSpec.builder()
                .setVocabSize(50_304)
                .setAttention(new GroupedQueryAttentionSpec(16, 16, 128, 1e4, false, QkNorm.FULL))
                .addLayers(
                        16,
                        moe(2048, 1024, 64, 8)
                                .optRouter(softmax(false, 0.01, AuxLossScope.MODEL))
                                .build())
                .optMaxPositionEmbeddings(4096)
                .optRmsNormEps(1e-5)
                .build();
    }

    private static ModelSpec deepSeekV2Lite() {
        return ModelSpec.builder()
                .setVocabSize(102_400)
                .setAttention(withYarn(new LatentAttentionSpec(16, 0, 512, 128, 64, 128, 1e4), 0.707))
                .addLayers(1, DenseSpec.swiglu(2048, 10_944))
                .addLayers(
                        26,
                        moe(2048, 1408, 64, 6)
                                .optRouter(softmax(false, 0.001 / 6, AuxLossScope.SEQUENCE))
                                .optSharedExpert(SharedExpertSpec.of(2 * 1408))
                                .build())
                .optMaxPositionEmbeddings(163_840)
                .optRmsNormEps(1e-6)
                .build();
    }

    private static ModelSpec deepSeekV3() {
        RouterSpec router = biasCorrectedSigmoid(2.5, 0.001 / 8)
                .optGroupLimit(8, 4, GroupScore.TOP2_SUM)
                .build();
        return ModelSpec.builder()
                .setVocabSize(129_280)
                .setAttention(withYarn(new LatentAttentionSpec(128, 1536, 512, 128, 64, 128, 1e4), 1))
                .addLayers(3, DenseSpec.swiglu(7168, 18_432))
                .addLayers(
                        58,
                        moe(7168, 2048, 256, 8)
                                .optRouter(router)
                                .optSharedExpert(SharedExpertSpec.of(2048))
                                .build())
                .optMaxPositionEmbeddings(163_840)
                .optRmsNormEps(1e-6)
                .build();
    }

    private static ModelSpec moonlight() {
        RouterSpec router = biasCorrectedSigmoid(2.446, 0.001 / 6)
                .optGroupLimit(1, 1, GroupScore.TOP2_SUM)
                .build();
        return ModelSpec.builder()
                .setVocabSize(163_840)
                .setAttention(new LatentAttentionSpec(16, 0, 512, 128, 64, 128, 5e4))
                .addLayers(1, DenseSpec.swiglu(2048, 11_264))
                .addLayers(
                        26,
                        moe(2048, 1408, 64, 6)
                                .optRouter(router)
                                .optSharedExpert(SharedExpertSpec.of(2 * 1408))
                                .build())
                .optMaxPositionEmbeddings(8192)
                .optRmsNormEps(1e-5)
                .build();
    }

    private static ModelSpec paperMoe() {
        return ModelSpec.builder()
                .setVocabSize(32_000)
                .setAttention(GroupedQueryAttentionSpec.of(8, 8, 64))
                .addLayers(
                        12,
                        moe(512, 256, 32, 8)
                                .optRouter(softmax(true, 0.01, AuxLossScope.LAYER))
                                .build())
                .optMaxPositionEmbeddings(2048)
                .optTieWordEmbeddings(true)
                .build();
    }

    private static MoeSpec.Builder moe(int hiddenSize, int intermediateSize, int numExperts, int topK) {
        return MoeSpec.builder()
                .setHiddenSize(hiddenSize)
                .setIntermediateSize(intermediateSize)
                .setNumExperts(numExperts)
                .setTopK(topK);
    }

    /** Stretched from 4,096 to 163,840 positions; both {@code mscale} and {@code mscale_all_dim} are {@code mscale}. */
    private static LatentAttentionSpec withYarn(LatentAttentionSpec attention, double mscale) {
        RopeScaling yarn = new RopeScaling.Yarn(40, 4096, 32, 1, 1, RopeScaling.Yarn.mscale(40, mscale), true);
        return new LatentAttentionSpec(
                attention.numAttentionHeads(),
                attention.qLoraRank(),
                attention.kvLoraRank(),
                attention.qkNopeHeadDim(),
                attention.qkRopeHeadDim(),
                attention.vHeadDim(),
                new RopeSpec(attention.rope().theta(), true, yarn),
                attention.normEps(),
                attention.bias());
    }

    private static RouterSpec softmax(boolean normTopkProb, double auxLossCoef, AuxLossScope scope) {
        return RouterSpec.builder()
                .optNormTopkProb(normTopkProb)
                .optAuxLossCoef(auxLossCoef)
                .optAuxLossScope(scope)
                .build();
    }

    private static RouterSpec.Builder biasCorrectedSigmoid(double routedScalingFactor, double auxLossCoef) {
        return RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SIGMOID)
                .optNormTopkProb(true)
                .optRoutedScalingFactor(routedScalingFactor)
                .optCorrectionBias(true)
                .optAuxLossCoef(auxLossCoef)
                .optAuxLossScope(AuxLossScope.SEQUENCE);
    }
}
