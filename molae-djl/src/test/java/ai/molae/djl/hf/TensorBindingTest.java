package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeSpec;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Names, shapes and places of tensors that the golden checkpoints do not have. */
class TensorBindingTest {

    private static final String EXPERT = "model.layers.0.mlp.experts.";

    private static CheckpointConfig config(String name, String... changes) {
        return CheckpointConfig.parse(Golden.config(name, changes));
    }

    private static List<Piece> pieces(List<TensorBinding> bindings, String parameter) {
        return bindings.stream()
                .filter(binding -> binding.parameter().equals(parameter))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no " + parameter + " in " + bindings))
                .pieces();
    }

    private static List<TensorBinding> bindings(ModelSpec spec, String type, String... present) {
        return ModelFamily.ofModelType(type).bindings(spec, Set.of(present));
    }

    @Test
    void stackedExpertsAreReadWhereALayerHasThem() {
        CheckpointConfig qwen = config("qwen3_moe-a");
        List<TensorBinding> bindings = qwen.bindings(Set.of(EXPERT + "gate_up_proj", EXPERT + "down_proj"));
        assertThat(pieces(bindings, "layers.0.mlp.gate_up"))
                .containsExactly(new Piece(EXPERT + "gate_up_proj", List.of(8L, 32L, 32L), 0));
        assertThat(pieces(bindings, "layers.0.mlp.down"))
                .containsExactly(new Piece(EXPERT + "down_proj", List.of(8L, 32L, 16L), 0));
        assertThat(pieces(bindings, "layers.1.mlp.gate_up")).hasSize(16);
        GoldenConfigTest.assertTiled(bindings);
    }

    @Test
    void anExpertsGateStandsBeforeItsUp() {
        List<Piece> pieces = pieces(config("qwen3_moe-a").bindings(Set.of()), "layers.0.mlp.gate_up");
        assertThat(pieces.get(2)).isEqualTo(new Piece(EXPERT + "1.gate_proj.weight", List.of(16L, 32L), 2 * 16 * 32));
        assertThat(pieces.get(3)).isEqualTo(new Piece(EXPERT + "1.up_proj.weight", List.of(16L, 32L), 3 * 16 * 32));
        List<Piece> mixtral = pieces(config("mixtral-a").bindings(Set.of()), "layers.1.mlp.gate_up");
        assertThat(mixtral.get(0).tensor()).isEqualTo("model.layers.1.block_sparse_moe.experts.0.w1.weight");
        assertThat(mixtral.get(1).tensor()).isEqualTo("model.layers.1.block_sparse_moe.experts.0.w3.weight");
    }

    @Test
    void mixtralsModuleHasTwoNames() {
        CheckpointConfig mixtral = config("mixtral-a");
        List<TensorBinding> renamed = mixtral.bindings(
                Set.of("model.layers.0.mlp.gate.weight", EXPERT + "gate_up_proj", EXPERT + "down_proj"));
        assertThat(pieces(renamed, "layers.0.mlp.router").get(0).tensor()).isEqualTo("model.layers.0.mlp.gate.weight");
        assertThat(pieces(renamed, "layers.0.mlp.gate_up").get(0).tensor()).isEqualTo(EXPERT + "gate_up_proj");
        String old = "model.layers.0.block_sparse_moe.experts.gate_up_proj";
        assertThat(pieces(mixtral.bindings(Set.of(old)), "layers.0.mlp.gate_up"))
                .extracting(Piece::tensor)
                .containsExactly(old);
    }

    @Test
    void biasesAndNormsOfAttentionHaveTheirOwnPaths() {
        Map<String, List<Long>> qwen = GoldenConfigTest.shapes(
                config("qwen3_moe-a", "attention_bias = true").bindings(Set.of()));
        String attention = "model.layers.1.self_attn.";
        assertThat(qwen)
                .containsEntry(attention + "q_proj.bias", List.of(64L))
                .containsEntry(attention + "k_proj.bias", List.of(32L))
                .containsEntry(attention + "o_proj.bias", List.of(32L))
                .containsEntry(attention + "q_norm.weight", List.of(16L));
        List<TensorBinding> deepSeek = config("deepseek_v3-a", "q_lora_rank = 6", "attention_bias = true")
                .bindings(Set.of());
        assertThat(deepSeek)
                .extracting(TensorBinding::parameter)
                .contains(
                        "layers.0.self_attn.q_a_proj",
                        "layers.0.self_attn.q_a_proj_bias",
                        "layers.0.self_attn.q_a_layernorm",
                        "layers.0.self_attn.q_b_proj",
                        "layers.0.self_attn.kv_a_proj_with_mqa",
                        "layers.0.self_attn.kv_a_proj_with_mqa_bias",
                        "layers.0.self_attn.kv_a_layernorm",
                        "layers.0.self_attn.kv_b_proj",
                        "layers.0.self_attn.o_proj",
                        "layers.0.self_attn.o_proj_bias")
                .doesNotContain("layers.0.self_attn.q_proj", "layers.0.self_attn.q_b_proj_bias");
        assertThat(GoldenConfigTest.shapes(deepSeek))
                .containsEntry("model.layers.0.self_attn.q_a_proj.weight", List.of(6L, 32L))
                .containsEntry("model.layers.0.self_attn.q_b_proj.weight", List.of(48L, 6L))
                .containsEntry("model.layers.0.self_attn.kv_b_proj.weight", List.of(72L, 16L));
        assertThat(deepSeek)
                .filteredOn(binding -> binding.parameter().endsWith("q_a_proj_bias"))
                .extracting(binding -> binding.pieces().get(0))
                .contains(new Piece("model.layers.2.self_attn.q_a_proj.bias", List.of(6L), 0));
    }

    @Test
    void factoredExpertsStandBesideStackedProjections() {
        LatentSpec tied = LatentSpec.builder()
                .setLatentSize(5)
                .setGroupSize(2)
                .optTiedGateUp(true)
                .build();
        ModelSpec qwen = config("qwen3_moe-a").spec().mapMoe(moe -> moe.withLatent(tied));
        List<TensorBinding> bindings = bindings(qwen, "qwen3_moe");
        GoldenConfigTest.assertTiled(bindings);
        assertThat(GoldenConfigTest.shapes(bindings))
                .containsEntry(EXPERT + "latent_in", List.of(4L, 5L, 32L))
                .containsEntry(EXPERT + "latent_out", List.of(4L, 32L, 5L))
                .containsEntry(EXPERT + "7.gate_proj.weight", List.of(16L, 5L))
                .containsEntry(EXPERT + "7.up_proj.weight", List.of(16L, 5L))
                .containsEntry(EXPERT + "7.down_proj.weight", List.of(5L, 16L));
        assertThat(bindings).extracting(TensorBinding::parameter).contains("layers.1.mlp.gate_up");

        LatentSpec untied = LatentSpec.builder()
                .setGroupSize(8)
                .optLatentSize(ExpertOperator.GATE, 3)
                .optLatentSize(ExpertOperator.UP, 4)
                .build();
        ModelSpec split = config("mixtral-a").spec().mapMoe(moe -> moe.withLatent(untied));
        List<TensorBinding> separate = bindings(split, "mixtral");
        GoldenConfigTest.assertTiled(separate);
        String module = "model.layers.0.block_sparse_moe.experts.";
        assertThat(GoldenConfigTest.shapes(separate))
                .containsEntry(module + "latent_in", List.of(1L, 7L, 32L))
                .containsEntry(module + "2.w1.weight", List.of(20L, 3L))
                .containsEntry(module + "2.w3.weight", List.of(20L, 4L))
                .containsEntry(module + "2.w2.weight", List.of(32L, 20L));
        assertThat(pieces(bindings(split, "mixtral", module + "gate_proj"), "layers.0.mlp.gate"))
                .containsExactly(new Piece(module + "gate_proj", List.of(8L, 20L, 3L), 0));
    }

    @Test
    void molaesOwnFamilyNamesEveryParameterOfEveryModel() {
        MoeSpec ungated = ((MoeSpec)
                        config("deepseek_v3-a").spec().feedForwards().get(1))
                .toBuilder().optGated(false).build();
        ModelSpec spec = ModelSpec.builder()
                .setVocabSize(9)
                .setAttention(new GroupedQueryAttentionSpec(
                        2, 1, 4, RopeSpec.of(1e4), true, true, QkNorm.FULL, 3, Optional.empty()))
                .addLayers(1, new DenseSpec(32, 5, ungated.activation(), false))
                .addLayers(1, ungated)
                .optTieWordEmbeddings(true)
                .build();
        List<TensorBinding> bindings = bindings(spec, "molae");
        GoldenConfigTest.assertTiled(bindings);
        assertThat(GoldenConfigTest.shapes(bindings))
                .containsEntry("model.layers.0.mlp.up_proj.weight", List.of(5L, 32L))
                .containsEntry("model.layers.0.mlp.down_proj.weight", List.of(32L, 5L))
                .containsEntry("model.layers.1.mlp.gate.e_score_correction_bias", List.of(8L))
                .containsEntry("model.layers.1.mlp.experts.0.up_proj.weight", List.of(12L, 32L))
                .containsEntry("model.layers.1.mlp.shared_expert.up_proj.weight", List.of(24L, 32L))
                .containsEntry("model.layers.1.self_attn.k_norm.weight", List.of(4L))
                .doesNotContainKey("lm_head.weight");
    }

    @Test
    void whatNeedNotBeLoadedIsKnown() {
        CheckpointConfig tied = config("deepseek_v3-a", "tie_word_embeddings = true", "num_nextn_predict_layers = 2");
        assertThat(tied.bindings(Set.of())).extracting(TensorBinding::parameter).doesNotContain("lm_head");
        assertThat(tied.isTiedHead("lm_head.weight")).isTrue();
        assertThat(tied.ignores("lm_head.weight")).isTrue();
        assertThat(tied.ignores("model.layers.3.enorm.weight")).isTrue();
        assertThat(tied.ignores("model.layers.4.mlp.gate.weight")).isTrue();
        assertThat(tied.ignores("model.layers.5.mlp.gate.weight")).isFalse();
        assertThat(tied.ignores("model.layers.2.mlp.gate.weight")).isFalse();
        assertThat(tied.ignores("model.layers.2.self_attn.rotary_emb.inv_freq")).isTrue();
        CheckpointConfig untied = config("deepseek_v3-a");
        assertThat(untied.isTiedHead("lm_head.weight")).isFalse();
        assertThat(untied.ignores("lm_head.weight")).isFalse();
        assertThat(untied.ignores("model.layers.3.enorm.weight")).isFalse();
        assertThat(untied.ignores("model.layers.99999999999999999999.x")).isFalse();
        assertThat(untied.family().keepsFloat32("model.layers.1.mlp.gate.e_score_correction_bias"))
                .isTrue();
        assertThat(untied.family().keepsFloat32("model.layers.1.mlp.gate.weight"))
                .isFalse();
    }

    @Test
    void aParameterBeyondAllMemoryIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> config(
                        "mixtral-a",
                        "hidden_size = 268435456",
                        "intermediate_size = 268435456",
                        "num_local_experts = 65536",
                        "num_hidden_layers = 1"))
                .withMessageContaining("parameters, the limit is 9007199254740992");
    }

    @Test
    void latentAttentionOfAnyWidthIsCounted() {
        LatentAttentionSpec attention = new LatentAttentionSpec(2, 3, 4, 5, 6, 7, 1e4);
        ModelSpec spec = ModelSpec.builder()
                .setVocabSize(2)
                .setAttention(attention)
                .addLayers(1, DenseSpec.swiglu(8, 2))
                .build();
        Set<String> names = new HashSet<>(
                GoldenConfigTest.shapes(bindings(spec, "deepseek_v2")).keySet());
        assertThat(names).contains("model.layers.0.self_attn.q_a_layernorm.weight", "lm_head.weight");
    }
}
