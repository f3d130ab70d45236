package ai.molae.cost;

import ai.molae.internal.Checks;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.List;

/** Lists the tensors a MoE layer keeps for backward; {@link LayerCost#activations} documents them. */
final class LayerActivations {

    private final MoeSpec spec;
    private final double tokens;
    private final double pairs;
    private final double rows;
    private final ElementType type;
    private final boolean severalGroups;
    private final List<ActivationTensor> list = new ArrayList<>();

    LayerActivations(MoeSpec spec, double distinctGroups, long tokens, ElementType type) {
        Checks.positive("tokens", tokens);
        Checks.check(type.differentiable(), "activations cannot be %s; use FLOAT32, BFLOAT16 or FLOAT16", type);
        this.spec = spec;
        this.tokens = tokens;
        this.type = type;
        pairs = this.tokens * distinctGroups;
        rows = this.tokens * spec.topK();
        severalGroups = spec.latent().isPresent() && spec.expertGroups().numGroups() > 1;
    }

    List<ActivationTensor> list(ActivationPolicy policy) {
        add("x", "[T, n]", tokens, spec.hiddenSize(), type);
        if (policy != ActivationPolicy.RECOMPUTE) {
            addRouting();
            addExpertInputs(policy == ActivationPolicy.KEEP_GATHERED);
            addExpertInner();
            addShared();
        }
        return List.copyOf(list);
    }

    private void addRouting() {
        add("router_scores", "[T, N]", tokens, spec.numExperts(), ElementType.FLOAT32);
        add("routing_weights", "[T, K]", tokens, spec.topK(), ElementType.FLOAT32);
        add("expert_ids", "[T, K]", tokens, spec.topK(), ElementType.INT64);
        add("row_token", "[T·K, 1]", rows, 1, ElementType.INT64);
        if (severalGroups) {
            add("pair_token", "[T·D, 1]", pairs, 1, ElementType.INT64);
            add("row_pair", "[T·K, 1]", rows, 1, ElementType.INT64);
        }
    }

    private void addExpertInputs(boolean gathered) {
        boolean dense = !spec.isFactored(ExpertOperator.UP) || (spec.gated() && !spec.isFactored(ExpertOperator.GATE));
        int latentIn = spec.latentInSize();
        if (gathered && latentIn > 0 && severalGroups) {
            add("x_pairs", "[T·D, n]", pairs, spec.hiddenSize(), type);
        }
        if (gathered && dense) {
            add("x_rows", "[T·K, n]", rows, spec.hiddenSize(), type);
        }
        if (latentIn > 0) {
            add(gathered ? "z_rows" : "z", gathered ? "[T·K, R]" : "[T·D, R]", gathered ? rows : pairs, latentIn, type);
        }
    }

    private void addExpertInner() {
        int m = spec.intermediateSize();
        if (spec.gated()) {
            add("gate_up", "[T·K, 2m]", rows, 2L * m, type);
        } else {
            add("up", "[T·K, m]", rows, m, type);
        }
        add("h", "[T·K, m]", rows, m, type);
        if (spec.isFactored(ExpertOperator.DOWN)) {
            add("s", "[T·D, r]", pairs, spec.expertWidth(ExpertOperator.DOWN), type);
        }
    }

    private void addShared() {
        spec.sharedExpert().ifPresent(shared -> {
            int ms = shared.intermediateSize();
            if (spec.gated()) {
                add("shared_gate_up", "[T, 2·m_s]", tokens, 2L * ms, type);
            } else {
                add("shared_up", "[T, m_s]", tokens, ms, type);
            }
            add("shared_h", "[T, m_s]", tokens, ms, type);
            if (shared.sigmoidGated()) {
                add("shared_gate", "[T, 1]", tokens, 1, type);
            }
        });
    }

    private void add(String name, String dimensions, double tensorRows, long columns, ElementType tensorType) {
        list.add(new ActivationTensor(name, dimensions, tensorRows, columns, tensorType));
    }
}
