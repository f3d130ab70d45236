package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.molae.spec.AttentionSpec;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelPresets;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.SharedExpertSpec;
import ai.molae.testing.RandomSpecs;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is written reads back equal, and what cannot be written is refused by the name of the field. */
class FamilyRoundTripTest {

    private static final LatentSpec LATENT =
            LatentSpec.builder().setLatentSize(3).setGroupSize(4).build();

    private static CheckpointConfig golden(String name) {
        return CheckpointConfig.parse(Golden.config(name));
    }

    private static CheckpointConfig reread(JsonObject json) {
        // By way of the text, as a file would.
        return CheckpointConfig.parse(Golden.text(json));
    }

    @ParameterizedTest
    @ValueSource(strings = {"mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "deepseek_v2", "deepseek_v3"})
    void everyModelOfAFamilyReadsBackEqual(String type) {
        SplittableRandom random = new SplittableRandom(type.hashCode());
        ModelFamily family = ModelFamily.ofModelType(type);
        JsonObject previous = new JsonObject();
        for (int i = 0; i < 300; i++) {
            ModelSpec spec = RandomModels.next(type, random);
            JsonObject fresh = family.write(spec, new JsonObject(), "float32");
            assertThat(reread(fresh).spec()).as("model %d", i).isEqualTo(spec);
            // Over the file of another model, whose keys must not show through.
            assertThat(reread(family.write(spec, previous, "float32")).spec())
                    .as("model %d over %s", i, previous)
                    .isEqualTo(spec);
            previous = fresh;
            if (i % 20 == 0) {
                List<TensorBinding> bindings = family.bindings(spec);
                GoldenConfigTest.assertTiled(bindings);
                GoldenConfigTest.shapes(bindings);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "mixtral-a",
                "qwen2_moe-a",
                "qwen3_moe-a",
                "olmoe-a",
                "deepseek_v2-a",
                "deepseek_v2-c",
                "deepseek_v3-a"
            })
    void everyModelOfAFamilyCanBeWrittenOverAGoldenFile(String name) {
        CheckpointConfig golden = golden(name);
        SplittableRandom random = new SplittableRandom(7);
        for (int i = 0; i < 100; i++) {
            ModelSpec spec = RandomModels.next(golden.modelType(), random);
            CheckpointConfig written = golden.with(spec, "bfloat16");
            assertThat(written.modelType()).isEqualTo(golden.modelType());
            assertThat(written.spec()).isEqualTo(spec);
            assertThat(written.json().keySet()).containsAll(golden.json().keySet());
        }
    }

    @Test
    void moLaeInAFamilysFileIsASectionOfItsOwn() {
        CheckpointConfig dense = golden("deepseek_v3-a");
        CheckpointConfig molae = dense.with(dense.spec().mapMoe(moe -> moe.withLatent(LATENT)), "float32");
        assertThat(molae.modelType()).isEqualTo("deepseek_v3");
        assertThat(molae.json().getAsJsonObject("molae"))
                .hasToString(
                        "{\"format\":1,\"latent\":[{\"layers\":[1,2],\"latent_sizes\":{\"gate\":3,\"up\":3,\"down\":3},"
                                + "\"tied_gate_up\":false,\"group_size\":4}]}");
        assertThat(CheckpointConfig.parse(molae.toJson()).spec()).isEqualTo(molae.spec());
        assertThat(molae.with(dense.spec(), "float32").json()).isEqualTo(dense.json());
        JsonObject without = molae.json();
        without.remove("molae");
        assertThat(without).isEqualTo(dense.json());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"format\": 2, \"latent\": []} | molae.format = 2 in config.json must be 1",
                "{\"latent\": []} | missing key molae.format",
                "{\"format\": 1, \"latent\": [], \"rank\": 3} | molae.rank = 3",
                "{\"format\": 1, \"latent\": {}} | molae.latent = {} in config.json must be a list",
                "{\"format\": 1, \"latent\": [3]} | molae.latent[0] = 3 in config.json must be an object",
                "{\"format\": 1, \"latent\": [{\"layers\": [0], \"latent_sizes\": {\"up\": 3}, \"tied_gate_up\": false, "
                        + "\"group_size\": 2}]} | molae.latent[0].layers = [0] in config.json must be MoE layers, but 0 is dense",
                "{\"format\": 1, \"latent\": [{\"layers\": [3], \"latent_sizes\": {\"up\": 3}, \"tied_gate_up\": false, "
                        + "\"group_size\": 2}]} | must be layers from 0 to 2",
                "{\"format\": 1, \"latent\": [{\"layers\": [1, 1], \"latent_sizes\": {\"up\": 3}, \"tied_gate_up\": false, "
                        + "\"group_size\": 2}]} | named once, but 1",
                "{\"format\": 1, \"latent\": [{\"layers\": [1], \"latent_sizes\": {\"up\": 3}, \"tied_gate_up\": false, "
                        + "\"group_size\": 9}]} | groupSize = 9 exceeds numExperts = 8",
                "{\"format\": 1, \"latent\": [{\"layers\": [1], \"latent_sizes\": {\"up\": \"3\"}, \"tied_gate_up\": false, "
                        + "\"group_size\": 2}]} | molae.latent[0].latent_sizes.up must be an integer",
                "[] | molae = [] in config.json must be an object",
            })
    void aWrongSectionIsNamed(String row) {
        int end = row.indexOf(" | ");
        String config = Golden.config("deepseek_v3-a", "molae = " + row.substring(0, end));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CheckpointConfig.parse(config))
                .withMessageContaining(row.substring(end + 3));
    }

    @Test
    void anyModelCanBeWrittenAsMolae() {
        SplittableRandom random = new SplittableRandom(11);
        for (int i = 0; i < 100; i++) {
            MoeSpec moe = RandomSpecs.next(random);
            ModelSpec spec = ModelSpec.builder()
                    .setVocabSize(7)
                    .setAttention(GroupedQueryAttentionSpec.of(2, 1, 4))
                    .addLayers(1, moe)
                    .addLayers(1, DenseSpec.swiglu(moe.hiddenSize(), 3))
                    .build();
            CheckpointConfig config = CheckpointConfig.of(spec, "float32");
            assertThat(config.modelType()).isEqualTo("molae");
            assertThat(config.spec()).isEqualTo(spec);
            assertThat(CheckpointConfig.parse(config.toJson()).spec()).isEqualTo(spec);
            GoldenConfigTest.assertTiled(config.bindings(Set.of()));
        }
    }

    @Test
    void aModelThatLeavesItsFamilyKeepsItsTokens() {
        CheckpointConfig mixtral = golden("mixtral-a");
        ModelSpec ungated =
                mixtral.spec().mapMoe(moe -> moe.toBuilder().optGated(false).build());
        CheckpointConfig saved = mixtral.with(ungated, "float32");
        assertThat(saved.modelType()).isEqualTo("molae");
        assertThat(saved.spec()).isEqualTo(ungated);
        assertThat(saved.bosTokenIds()).containsExactly(1);
        assertThat(saved.eosTokenIds()).containsExactly(2);
        assertThat(saved.json().keySet()).doesNotContain("num_local_experts");
    }

    private static void cannot(String name, UnaryOperator<ModelSpec> change, String field) {
        CheckpointConfig config = golden(name);
        ModelSpec changed = change.apply(config.spec());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> config.family().write(changed, config.json(), "float32"))
                .withMessageContaining("a config.json of " + config.modelType() + " cannot express")
                .withMessageContaining(field);
        assertThat(config.with(changed, "float32").spec()).isEqualTo(changed);
    }

    private static UnaryOperator<ModelSpec> router(UnaryOperator<RouterSpec.Builder> change) {
        return spec -> spec.mapMoe(moe -> moe.toBuilder()
                .optRouter(change.apply(moe.router().toBuilder()).build())
                .build());
    }

    private static ModelSpec withAttention(ModelSpec spec, AttentionSpec attention) {
        return new ModelSpec(
                spec.vocabSize(),
                spec.hiddenSize(),
                attention,
                spec.feedForwards(),
                spec.maxPositionEmbeddings(),
                spec.rmsNormEps(),
                spec.tieWordEmbeddings(),
                spec.initializerRange());
    }

    @Test
    void whatAFamilyCannotExpressIsNamed() {
        cannot("mixtral-a", router(r -> r.optZLossCoef(0.5)), "router.zLossCoef = 0.5 (but 0.0)");
        cannot("mixtral-a", router(r -> r.optAuxLossScope(AuxLossScope.LAYER)), "feedForwards[0].router.auxLossScope");
        for (String family : List.of("mixtral-a", "qwen3_moe-a", "olmoe-a", "deepseek_v3-a")) {
            cannot(family, router(r -> r.optAuxLossScope(AuxLossScope.GLOBAL)), "router.auxLossScope");
        }
        cannot("qwen3_moe-a", router(r -> r.optRoutedScalingFactor(2)), "router.routedScalingFactor = 2.0");
        cannot("olmoe-a", router(r -> r.optCapacityFactor(1.5)), "router.capacityFactor = 1.5");
        cannot("deepseek_v2-a", router(r -> r.optNormTopkProb(true)), "norm_topk_prob = true");
        cannot("deepseek_v3-a", router(r -> r.optCorrectionBias(false)), "router.correctionBias = false");
        cannot(
                "deepseek_v3-a",
                spec -> spec.mapMoe(moe ->
                        moe.toBuilder().optSharedExpert(SharedExpertSpec.of(25)).build()),
                "sharedExpert.intermediateSize = 25 (but 24)");
        cannot(
                "qwen2_moe-a",
                spec -> spec.mapMoe(moe ->
                        moe.toBuilder().optSharedExpert(SharedExpertSpec.of(3)).build()),
                "sharedExpert.sigmoidGated = false");
        cannot(
                "qwen3_moe-a",
                spec -> spec.mapMoe(moe ->
                        moe.toBuilder().optSharedExpert(SharedExpertSpec.of(3)).build()),
                "feedForwards[0].sharedExpert");
        cannot("mixtral-a", spec -> ModelPresets.DEEPSEEK_V3, "attention = LatentAttentionSpec");
        cannot("deepseek_v3-a", spec -> ModelPresets.OLMOE_1B_7B, "attention = GroupedQueryAttentionSpec");
        cannot(
                "deepseek_v2-a",
                spec -> withAttention(spec, new LatentAttentionSpec(4, 0, 16, 8, 4, 10, RopeSpec.of(1e4), 1e-6, false)),
                "attention.rope.interleaved = false");
        cannot(
                "deepseek_v2-a",
                spec -> withAttention(
                        spec,
                        new LatentAttentionSpec(
                                4,
                                0,
                                16,
                                8,
                                4,
                                10,
                                new RopeSpec(1e4, true, new RopeScaling.Dynamic(2, 5)),
                                1e-6,
                                false)),
                "attention.rope.scaling.originalMaxPositionEmbeddings = 5");
        cannot(
                "mixtral-a",
                spec -> ModelSpec.builder()
                        .setVocabSize(spec.vocabSize())
                        .setAttention(spec.attention())
                        .addLayers(1, spec.feedForwards().get(0))
                        .addLayers(1, DenseSpec.swiglu(32, 4))
                        .build(),
                "feedForwards[1] = DenseSpec");
        cannot(
                "mixtral-a",
                spec -> ModelSpec.builder()
                        .setVocabSize(spec.vocabSize())
                        .setAttention(spec.attention())
                        .addLayers(2, DenseSpec.swiglu(32, 4))
                        .build(),
                "feedForwards[0] = DenseSpec");
    }

    @Test
    void otherAttentionIsNamedToo() {
        GroupedQueryAttentionSpec biased = new GroupedQueryAttentionSpec(4, 2, 8, 1e6, true, QkNorm.NONE);
        cannot("mixtral-a", spec -> withAttention(spec, biased), "attention.qkvBias = true (but false)");
        cannot("olmoe-a", spec -> withAttention(spec, biased), "attention.outputBias = false (but true)");
    }
}
