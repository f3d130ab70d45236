package ai.molae.spec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ModelPresetsTest {

    static List<String> names() {
        return ModelPresets.names();
    }

    @Test
    void namesThePublishedModelsAndThePapersPair() {
        assertThat(ModelPresets.names())
                .containsExactly(
                        "Mixtral-8x7B",
                        "Qwen1.5-MoE-A2.7B",
                        "Qwen3-30B-A3B",
                        "OLMoE-1B-7B",
                        "DeepSeek-V2-Lite",
                        "DeepSeek-V3",
                        "Moonlight-16B-A3B",
                        "Paper-MoE",
                        "Paper-MoLAE");
    }

    @ParameterizedTest
    @MethodSource("names")
    void findsEveryPresetInUpperAndLowerCase(String name) {
        assertThat(ModelPresets.get(name.toLowerCase(Locale.ROOT))).isSameAs(ModelPresets.get(name));
    }

    @Test
    void anUnknownNameIsAnsweredWithTheKnownOnes() {
        assertThatThrownBy(() -> ModelPresets.get("Mixtral"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"Mixtral\"")
                .hasMessageContaining("Mixtral-8x7B, Qwen1.5-MoE-A2.7B")
                .hasMessageContaining("Paper-MoLAE");
    }

    @ParameterizedTest
    @CsvSource({
        // vocabulary, hidden, layers, dense layers, positions, eps of the config.json files
        "Mixtral-8x7B,       32000, 4096, 32, 0,  32768, 1e-5",
        "Qwen1.5-MoE-A2.7B, 151936, 2048, 24, 0,   8192, 1e-6",
        "Qwen3-30B-A3B,     151936, 2048, 48, 0,  40960, 1e-6",
        "OLMoE-1B-7B,        50304, 2048, 16, 0,   4096, 1e-5",
        "DeepSeek-V2-Lite,  102400, 2048, 27, 1, 163840, 1e-6",
        "DeepSeek-V3,       129280, 7168, 61, 3, 163840, 1e-6",
        "Moonlight-16B-A3B, 163840, 2048, 27, 1,   8192, 1e-5",
    })
    void modelsHaveThePublishedShape(
            String name, int vocab, int hidden, int layers, int denseLayers, int positions, double eps) {
        ModelSpec model = ModelPresets.get(name);
        assertThat(model.vocabSize()).isEqualTo(vocab);
        assertThat(model.hiddenSize()).isEqualTo(hidden);
        assertThat(model.numLayers()).isEqualTo(layers);
        assertThat(model.maxPositionEmbeddings()).isEqualTo(positions);
        assertThat(model.rmsNormEps()).isEqualTo(eps);
        assertThat(model.tieWordEmbeddings()).isFalse();
        for (int i = 0; i < layers; i++) {
            assertThat(model.feedForwards().get(i)).isInstanceOf(i < denseLayers ? DenseSpec.class : MoeSpec.class);
        }
    }

    @ParameterizedTest
    @CsvSource({
        // experts, width, top-k, score function, normalised, scaling, bias, groups, kept groups, shared width, sigmoid
        // gate
        "Mixtral-8x7B,        8, 14336, 2, SOFTMAX_OVER_CHOSEN, true, 1, false, 1, 1, 0, false",
        "Qwen1.5-MoE-A2.7B,  60,  1408, 4, SOFTMAX, false, 1,     false, 1, 1, 5632, true",
        "Qwen3-30B-A3B,     128,   768, 8, SOFTMAX, true,  1,     false, 1, 1,    0, false",
        "OLMoE-1B-7B,        64,  1024, 8, SOFTMAX, false, 1,     false, 1, 1,    0, false",
        "DeepSeek-V2-Lite,   64,  1408, 6, SOFTMAX, false, 1,     false, 1, 1, 2816, false",
        "DeepSeek-V3,       256,  2048, 8, SIGMOID, true,  2.5,   true,  8, 4, 2048, false",
        "Moonlight-16B-A3B,  64,  1408, 6, SIGMOID, true,  2.446, true,  1, 1, 2816, false",
    })
    void moeLayersHaveThePublishedRouterAndExperts(
            String name,
            int experts,
            int width,
            int topK,
            ScoreFunction scores,
            boolean normalised,
            double scaling,
            boolean bias,
            int groups,
            int keptGroups,
            int sharedWidth,
            boolean sigmoidGated) {
        MoeSpec moe = lastMoe(name);
        assertThat(moe.numExperts()).isEqualTo(experts);
        assertThat(moe.intermediateSize()).isEqualTo(width);
        assertThat(moe.topK()).isEqualTo(topK);
        assertThat(moe.gated()).isTrue();
        assertThat(moe.activation()).isEqualTo(Activation.SILU);
        assertThat(moe.latent()).isEmpty();
        RouterSpec router = moe.router();
        assertThat(router.scoreFunction()).isEqualTo(scores);
        assertThat(router.normTopkProb()).isEqualTo(normalised);
        assertThat(router.routedScalingFactor()).isEqualTo(scaling);
        assertThat(router.correctionBias()).isEqualTo(bias);
        assertThat(router.nGroup()).isEqualTo(groups);
        assertThat(router.topkGroup()).isEqualTo(keptGroups);
        assertThat(moe.sharedExpert().map(SharedExpertSpec::intermediateSize).orElse(0))
                .isEqualTo(sharedWidth);
        assertThat(moe.sharedExpert().map(SharedExpertSpec::sigmoidGated).orElse(false))
                .isEqualTo(sigmoidGated);
    }

    @ParameterizedTest
    @CsvSource({
        // query heads, key/value heads, head width, rotary base, bias, norm
        "Mixtral-8x7B,      32,  8, 128, 1e6, false, NONE",
        "Qwen1.5-MoE-A2.7B, 16, 16, 128, 1e6, true,  NONE",
        "Qwen3-30B-A3B,     32,  4, 128, 1e6, false, PER_HEAD",
        "OLMoE-1B-7B,       16, 16, 128, 1e4, false, FULL",
    })
    void groupedQueryAttentionIsThePublishedOne(
            String name, int heads, int keyValueHeads, int headDim, double ropeTheta, boolean bias, QkNorm norm) {
        assertThat(ModelPresets.get(name).attention())
                .isEqualTo(new GroupedQueryAttentionSpec(heads, keyValueHeads, headDim, ropeTheta, bias, norm));
    }

    @ParameterizedTest
    @CsvSource({
        // heads, rank of queries, rotary base, m of YaRN's m² on the softmax scale
        "DeepSeek-V2-Lite,   16,    0, 1e4, 1.2608",
        "DeepSeek-V3,       128, 1536, 1e4, 1.3689",
        "Moonlight-16B-A3B,  16,    0, 5e4, 1",
    })
    void latentAttentionIsThePublishedOne(String name, int heads, int qLoraRank, double ropeTheta, double mscale) {
        LatentAttentionSpec attention =
                (LatentAttentionSpec) ModelPresets.get(name).attention();
        assertThat(attention.numAttentionHeads()).isEqualTo(heads);
        assertThat(attention.qLoraRank()).isEqualTo(qLoraRank);
        assertThat(attention.kvLoraRank()).isEqualTo(512);
        assertThat(attention.qkNopeHeadDim()).isEqualTo(128);
        assertThat(attention.qkRopeHeadDim()).isEqualTo(64);
        assertThat(attention.vHeadDim()).isEqualTo(128);
        assertThat(attention.rope().theta()).isEqualTo(ropeTheta);
        assertThat(attention.rope().interleaved()).isTrue();
        assertThat(attention.rope().attentionFactor()).isEqualTo(1);
        assertThat(attention.softmaxScale() * Math.sqrt(192)).isCloseTo(mscale * mscale, within(1e-3));
    }

    @ParameterizedTest
    @CsvSource({
        // published coefficient, what our loss divides it by: DeepSeek's aux_loss_alpha is for a load divided by top-k
        "Mixtral-8x7B,      0.02,  1, MODEL",
        "Qwen1.5-MoE-A2.7B, 0.001, 1, MODEL",
        "Qwen3-30B-A3B,     0.001, 1, MODEL",
        "OLMoE-1B-7B,       0.01,  1, MODEL",
        "DeepSeek-V2-Lite,  0.001, 6, SEQUENCE",
        "DeepSeek-V3,       0.001, 8, SEQUENCE",
        "Moonlight-16B-A3B, 0.001, 6, SEQUENCE",
    })
    void balancingIsThePublishedOne(String name, double coefficient, int divisor, AuxLossScope scope) {
        assertThat(lastMoe(name).router().auxLossCoef()).isEqualTo(coefficient / divisor);
        assertThat(lastMoe(name).router().auxLossScope()).isEqualTo(scope);
    }

    @Test
    void deepSeekV3ScoresRouterGroupsByTheirTwoBest() {
        assertThat(lastMoe("DeepSeek-V3").router().groupScore()).isEqualTo(GroupScore.TOP2_SUM);
    }

    @Test
    void thePapersPairDiffersInTheLatentPartOnly() {
        assertThat(ModelPresets.PAPER_MOLAE.mapMoe(MoeSpec::withoutLatent)).isEqualTo(ModelPresets.PAPER_MOE);
        LatentSpec latent = lastMoe("Paper-MoLAE").latent().orElseThrow();
        assertThat(latent.latentSizes())
                .containsOnlyKeys(ExpertOperator.values())
                .containsValue(256);
        assertThat(lastMoe("Paper-MoLAE").expertGroups()).isEqualTo(ExpertGroups.contiguous(32, 8));
    }

    private static MoeSpec lastMoe(String name) {
        List<FeedForwardSpec> layers = ModelPresets.get(name).feedForwards();
        return (MoeSpec) layers.get(layers.size() - 1);
    }
}
