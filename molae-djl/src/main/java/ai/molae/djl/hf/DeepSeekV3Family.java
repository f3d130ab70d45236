package ai.molae.djl.hf;

import ai.molae.spec.GroupScore;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.List;

/** DeepSeek-V3, Moonlight and Kimi-K2: sigmoid routing with a correction bias, limited to the groups with the best two experts. */
final class DeepSeekV3Family extends DeepSeekFamily {

    DeepSeekV3Family() {
        super(List.of("deepseek_v3", "kimi_k2"), "DeepseekV3ForCausalLM", 4096, 3);
    }

    @Override
    boolean interleaved(ConfigKeys keys) {
        return keys.bool("rope_interleave", true);
    }

    @Override
    int topK(ConfigKeys keys) {
        return keys.size("num_experts_per_tok", 8);
    }

    @Override
    RouterSpec.Builder router(ConfigKeys keys) {
        keys.word("scoring_func", "sigmoid", List.of("sigmoid"));
        keys.word("topk_method", "noaux_tc", List.of("noaux_tc"));
        return RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SIGMOID)
                .optCorrectionBias(true)
                .optNormTopkProb(keys.bool("norm_topk_prob", true))
                .optRoutedScalingFactor(keys.number("routed_scaling_factor", 2.5))
                .optGroupLimit(keys.size("n_group", 8), keys.size("topk_group", 4), GroupScore.TOP2_SUM);
    }

    @Override
    void writeInterleaved(boolean interleaved, ConfigWriter out) {
        if (!interleaved || out.keys().mentions("rope_interleave")) {
            out.put("rope_interleave", interleaved);
        }
    }

    @Override
    void writeRouter(RouterSpec router, ConfigWriter out) {
        out.put("norm_topk_prob", router.normTopkProb());
        out.put("routed_scaling_factor", router.routedScalingFactor());
        out.put("n_group", router.nGroup());
        out.put("topk_group", router.topkGroup());
        out.put("scoring_func", "sigmoid");
        out.put("topk_method", "noaux_tc");
    }
}
