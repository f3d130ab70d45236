package ai.molae.spec;

import java.util.List;
import java.util.Optional;

/** Not fewer parameters than there are, and at most a few times as many; in double, which does not overflow. */
final class ParameterBound {

    private ParameterBound() {}

    static double layer(
            int hiddenSize,
            int intermediateSize,
            int numExperts,
            Optional<LatentSpec> latent,
            Optional<SharedExpertSpec> sharedExpert) {
        double n = hiddenSize;
        double widest = n;
        double projections = 0;
        double groups = 0;
        if (latent.isPresent()) {
            for (int size : latent.get().latentSizes().values()) {
                widest = Math.max(widest, size);
                projections += n * size;
            }
            groups = latent.get().groups().isPresent()
                    ? latent.get().groups().get().numGroups()
                    : Math.ceil((double) numExperts / latent.get().groupSize());
        }
        double shared =
                sharedExpert.map(s -> (3.0 * s.intermediateSize() + 1) * n).orElse(0.0);
        return numExperts * (n + 1 + 3.0 * intermediateSize * widest) + groups * projections + shared;
    }

    static double model(int vocabSize, int hiddenSize, AttentionSpec attention, List<FeedForwardSpec> feedForwards) {
        double sum = 2.0 * vocabSize * hiddenSize + hiddenSize;
        double perLayer = 2.0 * hiddenSize + attention(attention, hiddenSize);
        for (FeedForwardSpec feedForward : feedForwards) {
            sum += perLayer + feedForward(feedForward);
        }
        return sum;
    }

    private static double feedForward(FeedForwardSpec feedForward) {
        return feedForward instanceof MoeSpec moe
                ? layer(moe.hiddenSize(), moe.intermediateSize(), moe.numExperts(), moe.latent(), moe.sharedExpert())
                : 3.0 * feedForward.hiddenSize() * ((DenseSpec) feedForward).intermediateSize();
    }

    private static double attention(AttentionSpec spec, double n) {
        double heads = spec.numAttentionHeads();
        if (spec instanceof GroupedQueryAttentionSpec grouped) {
            return heads * grouped.headDim() * (4 * n + 6) + n;
        }
        LatentAttentionSpec latent = (LatentAttentionSpec) spec;
        double query = heads * ((double) latent.qkNopeHeadDim() + latent.qkRopeHeadDim());
        double value = heads * latent.vHeadDim();
        double ranks = (double) latent.qLoraRank() + latent.kvLoraRank() + latent.qkRopeHeadDim();
        return (n + latent.qLoraRank()) * query
                + (n + 3) * (ranks + 1)
                + latent.kvLoraRank() * (query + value)
                + value * n;
    }
}
