package ai.molae.bench.workload;

import ai.molae.spec.ExpertGroups;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.SharedExpertSpec;
import java.util.stream.IntStream;

/**
 * What is built in a shape. A MoLAE has gate, up and down factored with latent size r = m, the paper's, but not more than half the hidden size, above
 * which a factored operator has more parameters than a dense one.
 */
public enum Variant {
    /**
     * A dense feed-forward of the same FLOPs per token: as wide as the K experts that a token visits and the shared one together. Written as a layer of one
     * expert, for those implementations that have nothing simpler; its router of n weights gives every token the weight 1, and is one part in 3·K·m of
     * the layer's parameters and FLOPs.
     */
    DENSE,
    /** The standard layer. */
    MOE,
    /** MoLAE, one group of all N experts. */
    MOLAE,
    /** MoLAE in groups of N / 4 experts. */
    MOLAE_QUARTER,
    /** MoLAE in groups of 8 experts. */
    MOLAE_EIGHT,
    /** MoLAE, one group, gate and up read the same latent. */
    MOLAE_TIED,
    /** MoLAE in groups of N / 4 experts, gate and up read the same latent. */
    MOLAE_QUARTER_TIED,
    /** MoLAE in groups of 8 experts, gate and up read the same latent. */
    MOLAE_EIGHT_TIED,
    /**
     * LatentMoE (arXiv 2601.18089), which puts what the latent space saves into more experts: {@link #MOLAE_TIED} with α = n / r, rounded, times as many
     * experts, of which a token chooses α times as many.
     */
    LATENT_MOE;

    /**
     * The layer of a shape.
     *
     * @param standard the standard layer
     * @return this variant of it
     */
    public MoeSpec of(MoeSpec standard) {
        int N = standard.numExperts();
        return switch (this) {
            case DENSE -> dense(standard);
            case MOE -> standard;
            case MOLAE -> molae(standard, N, false);
            case MOLAE_QUARTER -> molae(standard, quarter(N), false);
            case MOLAE_EIGHT -> molae(standard, Math.min(8, N), false);
            case MOLAE_TIED -> molae(standard, N, true);
            case MOLAE_QUARTER_TIED -> molae(standard, quarter(N), true);
            case MOLAE_EIGHT_TIED -> molae(standard, Math.min(8, N), true);
            case LATENT_MOE -> {
                int alpha = Math.round((float) standard.hiddenSize() / latentSize(standard));
                yield molae(
                        standard.toBuilder()
                                .setNumExperts(alpha * N)
                                .setTopK(alpha * standard.topK())
                                .build(),
                        alpha * N,
                        true);
            }
        };
    }

    /**
     * The latent size of a shape's variants.
     *
     * @param standard the standard layer
     * @return r = min(m, n / 2)
     */
    public static int latentSize(MoeSpec standard) {
        return Math.min(standard.intermediateSize(), standard.hiddenSize() / 2);
    }

    private static MoeSpec dense(MoeSpec standard) {
        int shared =
                standard.sharedExpert().map(SharedExpertSpec::intermediateSize).orElse(0);
        return MoeSpec.builder()
                .setHiddenSize(standard.hiddenSize())
                .setIntermediateSize(standard.topK() * standard.intermediateSize() + shared)
                .setNumExperts(1)
                .setTopK(1)
                .optActivation(standard.activation())
                .optGated(standard.gated())
                .build();
    }

    private static int quarter(int experts) {
        return (experts + 3) / 4;
    }

    private static MoeSpec molae(MoeSpec standard, int groupSize, boolean tied) {
        return standard.withLatent(LatentSpec.builder()
                .setLatentSize(latentSize(standard))
                .setGroups(groups(standard.numExperts(), groupSize))
                .optTiedGateUp(tied)
                .build());
    }

    /** Consecutive experts; the last group has what is left. */
    private static ExpertGroups groups(int experts, int groupSize) {
        return new ExpertGroups(IntStream.range(0, experts)
                .mapToObj(expert -> expert / groupSize)
                .toList());
    }
}
