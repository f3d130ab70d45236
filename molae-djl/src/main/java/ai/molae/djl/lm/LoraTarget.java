package ai.molae.djl.lm;

import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.AdaptableBlock;
import java.util.Arrays;
import java.util.Locale;

/** Which weights of a model get adapters: all of a kind, or one matrix of every layer by the name of its parameter. */
public enum LoraTarget {
    /** Every projection of the attention. */
    ATTENTION(Part.ATTENTION, true),
    /** {@code q_proj}. */
    Q_PROJ(Part.ATTENTION, false),
    /** {@code k_proj}. */
    K_PROJ(Part.ATTENTION, false),
    /** {@code v_proj}. */
    V_PROJ(Part.ATTENTION, false),
    /** {@code o_proj}. */
    O_PROJ(Part.ATTENTION, false),
    /** {@code q_a_proj} of latent attention. */
    Q_A_PROJ(Part.ATTENTION, false),
    /** {@code q_b_proj} of latent attention. */
    Q_B_PROJ(Part.ATTENTION, false),
    /** {@code kv_a_proj_with_mqa} of latent attention. */
    KV_A_PROJ_WITH_MQA(Part.ATTENTION, false),
    /** {@code kv_b_proj} of latent attention. */
    KV_B_PROJ(Part.ATTENTION, false),
    /** Every stack of the routed experts, those of their groups included: each expert or group has an adapter of its own. */
    EXPERTS(Part.EXPERTS, true),
    /** {@code gate_up} of the routed experts. */
    GATE_UP(Part.EXPERTS, false),
    /** {@code gate} of the routed experts. */
    GATE(Part.EXPERTS, false),
    /** {@code up} of the routed experts. */
    UP(Part.EXPERTS, false),
    /** {@code down} of the routed experts. */
    DOWN(Part.EXPERTS, false),
    /** {@code latent_in} of a MoLAE layer's groups. */
    LATENT_IN(Part.EXPERTS, false),
    /** {@code latent_out} of a MoLAE layer's groups. */
    LATENT_OUT(Part.EXPERTS, false),
    /** The shared experts; not their gate. */
    SHARED_EXPERTS(Part.SHARED_EXPERTS, true),
    /** The feed-forward networks of dense layers. */
    DENSE(Part.DENSE, true);

    private enum Part {
        ATTENTION,
        EXPERTS,
        SHARED_EXPERTS,
        DENSE;

        static Part of(AdaptableBlock block, String parameter) {
            if (block instanceof MoeBlock) {
                return parameter.startsWith("shared_") ? SHARED_EXPERTS : EXPERTS;
            }
            return block instanceof Attention ? ATTENTION : DENSE;
        }
    }

    private final Part part;
    private final boolean all;

    LoraTarget(Part part, boolean all) {
        this.part = part;
        this.all = all;
    }

    /**
     * The target of a name, as a command line has it.
     *
     * @param name a constant's name in either case, such as {@code q_proj} or {@code experts}
     * @return the target
     * @throws IllegalArgumentException if there is none of that name; the message has all names
     */
    public static LoraTarget of(String name) {
        return Arrays.stream(values())
                .filter(target -> target.toString().equalsIgnoreCase(name.strip()))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "no adapters for \"" + name + "\", only for " + Arrays.toString(values())));
    }

    /** Whether a parameter of a layer's block is meant. */
    boolean matches(AdaptableBlock block, String parameter) {
        return part == Part.of(block, parameter) && (all || parameter.equals(toString()));
    }

    /** The name in lower case, which is the parameter's. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
