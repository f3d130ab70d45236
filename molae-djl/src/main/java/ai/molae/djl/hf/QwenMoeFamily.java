package ai.molae.djl.hf;

import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.SharedExpertSpec;
import com.google.gson.JsonArray;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** What Qwen2-MoE and Qwen3-MoE share: which layers are MoE, and the router. */
abstract class QwenMoeFamily extends DecoderFamily {

    private final int defaultTopK;

    QwenMoeFamily(String modelType, String architecture, int defaultTopK) {
        super(List.of(modelType), architecture, ExpertNames.usual("shared_expert"));
        this.defaultTopK = defaultTopK;
    }

    abstract GroupedQueryAttentionSpec attention(ConfigKeys keys, int layers, RopeConfig rope);

    abstract Optional<SharedExpertSpec> sharedExpert(ConfigKeys keys);

    abstract void writeAttention(ModelSpec spec, GroupedQueryAttentionSpec attention, ConfigWriter out);

    abstract void writeSharedExpert(MoeSpec moe, ConfigWriter out);

    private static RopeConfig rope(int maxPositionEmbeddings) {
        return new RopeConfig(maxPositionEmbeddings, 1e4, false, false);
    }

    @Override
    final ModelSpec read(ConfigKeys keys) {
        int layers = layers(keys);
        int longest = keys.size("max_position_embeddings", 32_768);
        Set<Integer> sparse = sparse(keys, layers);
        keys.has("intermediate_size"); // of dense layers, which most models have not
        Optional<DenseSpec> dense = sparse.size() == layers ? Optional.empty() : Optional.of(dense(keys));
        Optional<MoeSpec> moe = sparse.isEmpty() ? Optional.empty() : Optional.of(moe(keys));
        if (sparse.isEmpty()) {
            passOverExperts(keys);
        }
        List<FeedForwardSpec> feedForwards = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            feedForwards.add(sparse.contains(i) ? moe.orElseThrow() : dense.orElseThrow());
        }
        return model(keys, attention(keys, layers, rope(longest)), feedForwards, longest, 1e-6);
    }

    /** MoE are layers i with {@code (i + 1) % decoder_sparse_step == 0} that are not in {@code mlp_only_layers}, if there are experts. */
    private static Set<Integer> sparse(ConfigKeys keys, int layers) {
        int step = keys.size("decoder_sparse_step", 1);
        Set<Integer> dense = new HashSet<>(keys.integers("mlp_only_layers"));
        Set<Integer> sparse = new HashSet<>();
        if (keys.count(EXPERTS) > 0) {
            for (int i = 0; i < layers; i++) {
                if ((i + 1) % step == 0 && !dense.contains(i)) {
                    sparse.add(i);
                }
            }
        }
        return sparse;
    }

    private static DenseSpec dense(ConfigKeys keys) {
        return new DenseSpec(
                keys.size("hidden_size"), keys.size("intermediate_size"), activation(keys, "hidden_act", "silu"), true);
    }

    private MoeSpec moe(ConfigKeys keys) {
        return new MoeSpec(
                keys.size("hidden_size"),
                keys.size("moe_intermediate_size"),
                keys.size(EXPERTS),
                keys.size("num_experts_per_tok", defaultTopK),
                activation(keys, "hidden_act", "silu"),
                true,
                RouterSpec.builder()
                        .optNormTopkProb(keys.bool("norm_topk_prob", false))
                        .optAuxLossCoef(keys.number("router_aux_loss_coef", 0.001))
                        .optAuxLossScope(AuxLossScope.MODEL)
                        .build(),
                Optional.empty(),
                sharedExpert(keys));
    }

    /** Keys of experts a model without MoE layers does not have. */
    private static void passOverExperts(ConfigKeys keys) {
        for (String key : List.of(
                "moe_intermediate_size",
                "num_experts_per_tok",
                "norm_topk_prob",
                "router_aux_loss_coef",
                "shared_expert_intermediate_size")) {
            keys.has(key);
        }
    }

    @Override
    final void write(ModelSpec spec, ConfigWriter out) {
        GroupedQueryAttentionSpec attention = grouped(spec);
        writeModel(spec, out);
        writeGrouped(attention, out);
        writeAttention(spec, attention, out);
        rope(spec.maxPositionEmbeddings()).write(out, attention.rope());
        firstDense(spec).ifPresent(dense -> out.put("intermediate_size", dense.intermediateSize()));
        Optional<MoeSpec> first = firstMoe(spec);
        out.put("num_experts", first.map(MoeSpec::numExperts).orElse(0), EXPERTS);
        first.ifPresent(moe -> {
            out.put("moe_intermediate_size", moe.intermediateSize());
            out.put("num_experts_per_tok", moe.topK());
            out.put("norm_topk_prob", moe.router().normTopkProb());
            out.put("router_aux_loss_coef", moe.router().auxLossCoef());
            writeSharedExpert(moe, out);
            writeSparse(spec, out);
        });
    }

    private static void writeSparse(ModelSpec spec, ConfigWriter out) {
        Set<Integer> sparse = new HashSet<>();
        JsonArray dense = new JsonArray();
        for (int i = 0; i < spec.numLayers(); i++) {
            if (spec.feedForwards().get(i) instanceof MoeSpec) {
                sparse.add(i);
            } else {
                dense.add(i);
            }
        }
        boolean says = out.keys().has("decoder_sparse_step") || out.keys().has("mlp_only_layers");
        if (!says || !sparse(out.keys(), spec.numLayers()).equals(sparse)) {
            out.put("decoder_sparse_step", 1);
            out.put("mlp_only_layers", dense);
        }
    }
}
