package ai.molae.cli.options;

import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The flags that say how MoE layers are factored. */
public final class LatentOptions {

    @Option(names = "--latent", paramLabel = "r", description = "Latent size (default: m).")
    private @Nullable Integer latent;

    @Option(
            names = "--group-size",
            paramLabel = "k",
            description = "Consecutive experts that share a projection (default: N, one group).")
    private @Nullable Integer groupSize;

    @Option(
            names = "--factored",
            paramLabel = "operator",
            split = ",",
            description = "Factored operators: gate, up, down (default: all the experts have).")
    private @Nullable List<ExpertOperator> factored;

    @Option(names = "--tied", description = "Gate and up share one projection.")
    private boolean tied;

    /** Made by picocli. */
    public LatentOptions() {}

    /**
     * Whether there is any of the flags.
     *
     * @return true if layers are to be factored, or factored otherwise than they are
     */
    public boolean isGiven() {
        return latent != null || groupSize != null || factored != null || tied;
    }

    /**
     * Factors a layer as the flags say; what they leave open is as the layer has it, else the default.
     *
     * @param layer standard or already factored
     * @return the factored layer
     * @throws IllegalArgumentException if the flags do not fit the layer
     */
    public MoeSpec factor(MoeSpec layer) {
        if (!isGiven() && layer.latent().isPresent()) {
            return layer;
        }
        Set<ExpertOperator> operators = operators(layer);
        Optional<LatentSpec> own = layer.latent();
        LatentSpec.Builder spec = LatentSpec.builder().optFactored().optTiedGateUp(tied(layer, operators));
        for (ExpertOperator operator : operators) {
            spec.optLatentSize(operator, latentSize(layer, operator));
        }
        Optional<ExpertGroups> ownGroups = own.flatMap(LatentSpec::groups);
        if (groupSize != null) {
            spec.setGroupSize(groupSize(layer, groupSize));
        } else if (ownGroups.isPresent()) {
            spec.setGroups(ownGroups.get());
        } else {
            spec.setGroupSize(own.map(LatentSpec::groupSize).orElse(layer.numExperts()));
        }
        return layer.withLatent(spec.build());
    }

    private Set<ExpertOperator> operators(MoeSpec layer) {
        if (factored == null) {
            return EnumSet.copyOf(layer.latent()
                    .<Collection<ExpertOperator>>map(own -> own.latentSizes().keySet())
                    .orElse(layer.operators()));
        }
        Set<ExpertOperator> operators = EnumSet.copyOf(factored);
        if (!layer.operators().containsAll(operators)) {
            throw new IllegalArgumentException("--factored names gate, but the experts are --ungated; name up, down");
        }
        return operators;
    }

    private int latentSize(MoeSpec layer, ExpertOperator operator) {
        if (latent != null) {
            return Ranges.positive("--latent", latent);
        }
        return layer.isFactored(operator) ? layer.expertWidth(operator) : layer.intermediateSize();
    }

    private static int groupSize(MoeSpec layer, int groupSize) {
        return Ranges.between("--group-size", groupSize, 1, layer.numExperts());
    }

    private boolean tied(MoeSpec layer, Set<ExpertOperator> operators) {
        boolean bothFactored = operators.containsAll(Set.of(ExpertOperator.GATE, ExpertOperator.UP));
        if (tied && !bothFactored) {
            String names = operators.stream()
                    .map(operator -> operator.name().toLowerCase(Locale.ROOT))
                    .collect(Collectors.joining(", "));
            throw new IllegalArgumentException(
                    "--tied shares one projection between gate and up, so both must be factored; factored is "
                            + names
                            + (layer.gated() ? ". Add the other to --factored" : ", and the experts have no gate")
                            + ", or leave --tied away");
        }
        return tied
                || (bothFactored && layer.latent().map(LatentSpec::tiedGateUp).orElse(false));
    }
}
