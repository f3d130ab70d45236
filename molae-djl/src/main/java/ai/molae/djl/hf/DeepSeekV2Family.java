package ai.molae.djl.hf;

import ai.molae.spec.GroupScore;
import ai.molae.spec.RouterSpec;
import java.util.List;

/** DeepSeek-V2: softmax routing, greedy or limited to the groups with the best expert. */
final class DeepSeekV2Family extends DeepSeekFamily {

    private static final String GREEDY = "greedy";
    private static final String LIMITED = "group_limited_greedy";

    DeepSeekV2Family() {
        super(List.of("deepseek_v2"), "DeepseekV2ForCausalLM", 2048, 0);
    }

    @Override
    boolean interleaved(ConfigKeys keys) {
        keys.off("rope_interleave", TRUE);
        return true;
    }

    @Override
    int topK(ConfigKeys keys) {
        return keys.size("num_experts_per_tok");
    }

    @Override
    RouterSpec.Builder router(ConfigKeys keys) {
        keys.word("scoring_func", "softmax", List.of("softmax"));
        if (keys.bool("norm_topk_prob", false)) {
            throw keys.mustBe(
                    "false: implementations of DeepSeek-V2 disagree on what true means (normalise, normalise instead of scaling, "
                            + "or nothing), and no published model has it",
                    "norm_topk_prob");
        }
        RouterSpec.Builder router = RouterSpec.builder()
                .optNormTopkProb(false)
                .optRoutedScalingFactor(keys.number("routed_scaling_factor", 1));
        boolean limited =
                keys.word("topk_method", GREEDY, List.of(GREEDY, LIMITED)).equals(LIMITED);
        if (limited) {
            router.optGroupLimit(keys.size("n_group"), keys.size("topk_group"), GroupScore.MAX);
        } else {
            keys.has("n_group"); // greedy does not look at groups
            keys.has("topk_group");
        }
        return router;
    }

    @Override
    void writeInterleaved(boolean interleaved, ConfigWriter out) {
        // always; a spec that says otherwise is found when the file is read back
    }

    @Override
    void writeRouter(RouterSpec router, ConfigWriter out) {
        out.put("routed_scaling_factor", router.routedScalingFactor());
        boolean limited = router.nGroup() > 1;
        if (limited || !out.keys().has("topk_method")) {
            out.put("topk_method", limited ? LIMITED : GREEDY);
        }
        out.put("n_group", router.nGroup());
        out.put("topk_group", router.topkGroup());
        out.put("norm_topk_prob", router.normTopkProb());
    }
}
