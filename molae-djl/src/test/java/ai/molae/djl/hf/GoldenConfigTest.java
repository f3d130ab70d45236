package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupScore;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import com.google.gson.JsonObject;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The golden checkpoints: each config means the model worked out here by hand, and its tensors are exactly the model's parameters. */
class GoldenConfigTest {

    private static MoeSpec.Builder moe(int intermediateSize, int numExperts, int topK, RouterSpec.Builder router) {
        return MoeSpec.builder()
                .setHiddenSize(32)
                .setIntermediateSize(intermediateSize)
                .setNumExperts(numExperts)
                .setTopK(topK)
                .optRouter(router.build());
    }

    private static RouterSpec.Builder router(boolean norm, double coefficient, AuxLossScope scope) {
        return RouterSpec.builder()
                .optNormTopkProb(norm)
                .optAuxLossCoef(coefficient)
                .optAuxLossScope(scope);
    }

    private static ModelSpec.Builder model(int vocabSize, int longest, double eps) {
        return ModelSpec.builder()
                .setVocabSize(vocabSize)
                .optMaxPositionEmbeddings(longest)
                .optRmsNormEps(eps);
    }

    static Map<String, ModelSpec> specs() {
        Map<String, ModelSpec> specs = new HashMap<>();
        specs.put(
                "mixtral-a",
                model(112, 32_768, 1e-5)
                        .setAttention(new GroupedQueryAttentionSpec(4, 2, 8, 1e6, false, QkNorm.NONE))
                        .addLayers(
                                2,
                                moe(
                                                20,
                                                8,
                                                2,
                                                router(true, 0.02, AuxLossScope.MODEL)
                                                        .optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN))
                                        .build())
                        .build());
        specs.put(
                "qwen2_moe-a",
                model(112, 8192, 1e-6)
                        .setAttention(new GroupedQueryAttentionSpec(4, 4, 8, 1e6, true, QkNorm.NONE))
                        .addLayers(
                                2,
                                moe(16, 8, 4, router(false, 0.001, AuxLossScope.MODEL))
                                        .optSharedExpert(new SharedExpertSpec(28, true))
                                        .build())
                        .build());
        specs.put(
                "qwen3_moe-a",
                model(112, 40_960, 1e-6)
                        .setAttention(new GroupedQueryAttentionSpec(4, 2, 16, 1e6, false, QkNorm.PER_HEAD))
                        .addLayers(
                                2,
                                moe(16, 8, 3, router(true, 0.001, AuxLossScope.MODEL))
                                        .build())
                        .build());
        specs.put(
                "olmoe-a",
                model(112, 4096, 1e-5)
                        .setAttention(new GroupedQueryAttentionSpec(4, 4, 8, 1e4, false, QkNorm.FULL))
                        .addLayers(
                                2,
                                moe(20, 8, 4, router(false, 0.01, AuxLossScope.MODEL))
                                        .build())
                        .build());
        RouterSpec.Builder greedy = router(false, 0.001 / 3, AuxLossScope.SEQUENCE);
        specs.put(
                "deepseek_v2-a",
                model(112, 2048, 1e-6)
                        .setAttention(new LatentAttentionSpec(4, 0, 16, 8, 4, 10, 1e4))
                        .addLayers(1, DenseSpec.swiglu(32, 44))
                        .addLayers(
                                2,
                                moe(12, 8, 3, greedy)
                                        .optSharedExpert(SharedExpertSpec.of(24))
                                        .build())
                        .build());
        // m = 0.1 · 0.707 · ln 8 + 1; cosines and sines keep m / m = 1
        RopeScaling yarn = new RopeScaling.Yarn(8, 256, 32, 1, 1, 0.1 * 0.707 * Math.log(8) + 1, true);
        specs.put(
                "deepseek_v2-c",
                model(96, 2048, 1e-6)
                        .setAttention(new LatentAttentionSpec(
                                4, 0, 16, 8, 8, 10, new RopeSpec(1000, true, yarn), 1e-6, false))
                        .addLayers(1, DenseSpec.swiglu(32, 44))
                        .addLayers(
                                1,
                                moe(12, 6, 3, greedy)
                                        .optSharedExpert(SharedExpertSpec.of(24))
                                        .build())
                        .build());
        specs.put(
                "deepseek_v3-a",
                model(112, 8192, 1e-5)
                        .setAttention(new LatentAttentionSpec(4, 0, 16, 8, 4, 10, 5e4))
                        .addLayers(1, DenseSpec.swiglu(32, 44))
                        .addLayers(
                                2,
                                moe(
                                                12,
                                                8,
                                                3,
                                                router(true, 0.001 / 3, AuxLossScope.SEQUENCE)
                                                        .optScoreFunction(ScoreFunction.SIGMOID)
                                                        .optCorrectionBias(true)
                                                        .optRoutedScalingFactor(2.446)
                                                        .optGroupLimit(1, 1, GroupScore.TOP2_SUM))
                                        .optSharedExpert(SharedExpertSpec.of(24))
                                        .build())
                        .build());
        return specs;
    }

    static List<String> cases() {
        return Golden.CASES;
    }

    @ParameterizedTest
    @MethodSource("cases")
    void configsMeanTheModelsWorkedOutByHand(String name) {
        CheckpointConfig config = CheckpointConfig.parse(Golden.config(name));
        assertThat(config.spec()).isEqualTo(specs().get(name));
        assertThat(config.modelType()).isEqualTo(name.substring(0, name.indexOf('-')));
        assertThat(config.dtype()).contains("float32");
        assertThat(config.quantization()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("cases")
    void writingTheSameModelChangesNoKey(String name) {
        JsonObject original = Golden.tree(name);
        CheckpointConfig config = CheckpointConfig.parse(Golden.config(name));
        JsonObject written = config.with(config.spec(), "float32").json();
        for (String key : original.keySet()) {
            assertThat(written.get(key)).as(key).isEqualTo(original.get(key));
        }
        assertThat(config.with(config.spec(), "bfloat16").dtype()).contains("bfloat16");
    }

    @ParameterizedTest
    @MethodSource("cases")
    void bindingsReadEveryTensorOnceAndTileEveryParameter(String name) {
        Map<String, List<Long>> tensors = Golden.tensors(name);
        CheckpointConfig config = CheckpointConfig.parse(Golden.config(name));
        List<TensorBinding> bindings = config.bindings(tensors.keySet());
        assertThat(shapes(bindings)).isEqualTo(tensors);
        assertTiled(bindings);
        assertThat(bindings).isEqualTo(config.family().bindings(config.spec()));
        assertThat(tensors.keySet()).noneMatch(config::ignores);
    }

    @Test
    void bindingsOfAMoeLayerAreTheParametersOfItsSpec() {
        CheckpointConfig config = CheckpointConfig.parse(Golden.config("deepseek_v3-a"));
        Map<String, Long> sizes = new HashMap<>();
        config.bindings(Set.of()).forEach(binding -> sizes.put(binding.parameter(), binding.size()));
        MoeSpec moe = (MoeSpec) config.spec().feedForwards().get(2);
        for (ParameterShape parameter : moe.parameters()) {
            assertThat(sizes).containsEntry("layers.2.mlp." + parameter.name(), parameter.size());
        }
        assertThat(sizes)
                .containsEntry("layers.0.mlp.gate_up", 2L * 44 * 32)
                .containsEntry("layers.0.mlp.down", 44L * 32)
                .containsEntry("layers.1.self_attn.kv_a_proj_with_mqa", 20L * 32)
                .containsEntry("embed_tokens", 112L * 32)
                .containsEntry("lm_head", 112L * 32)
                .containsEntry("norm", 32L);
    }

    /** Name and shape of every tensor; each may be read once only. */
    static Map<String, List<Long>> shapes(List<TensorBinding> bindings) {
        Map<String, List<Long>> shapes = new HashMap<>();
        for (TensorBinding binding : bindings) {
            for (TensorBinding.Piece piece : binding.pieces()) {
                assertThat(shapes.put(piece.tensor(), piece.shape()))
                        .as(piece.tensor())
                        .isNull();
            }
        }
        return shapes;
    }

    static void assertTiled(List<TensorBinding> bindings) {
        assertThat(bindings).extracting(TensorBinding::parameter).doesNotHaveDuplicates();
        for (TensorBinding binding : bindings) {
            long next = 0;
            for (TensorBinding.Piece piece : binding.pieces()) {
                assertThat(piece.firstElement()).as(binding.parameter()).isEqualTo(next);
                next += piece.size();
            }
            assertThat(binding.size()).isEqualTo(next);
        }
    }
}
