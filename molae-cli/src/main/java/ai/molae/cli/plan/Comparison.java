package ai.molae.cli.plan;

import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A standard MoE beside the MoLAE of the same shape. */
public final class Comparison {

    private final String name;
    private final Side moe;
    private final Side molae;

    private Comparison(String name, Side moe, Side molae) {
        this.name = name;
        this.moe = moe;
        this.molae = molae;
    }

    /**
     * Compares a model's standard form with its factored form.
     *
     * @param name the model's name
     * @param model the model; if it is MoLAE itself, the standard side is the same without latent parts
     * @param factored makes a MoLAE layer of a MoE layer
     * @return the comparison
     * @throws IllegalArgumentException if the layer cannot be factored so, or the model's MoE layers differ
     */
    public static Comparison ofModel(String name, ModelSpec model, UnaryOperator<MoeSpec> factored) {
        return new Comparison(
                name, Side.ofModel(model.mapMoe(MoeSpec::withoutLatent)), Side.ofModel(model.mapMoe(factored)));
    }

    /**
     * Compares equal layers.
     *
     * @param moe the standard layer
     * @param molae the MoLAE layer
     * @param layers how many of them
     * @return the comparison
     */
    public static Comparison ofLayers(MoeSpec moe, MoeSpec molae, int layers) {
        return new Comparison("layers", Side.ofLayers(moe, layers), Side.ofLayers(molae, layers));
    }

    String name() {
        return name;
    }

    Side moe() {
        return moe;
    }

    Side molae() {
        return molae;
    }

    /** The shape in one line. */
    String shape() {
        MoeSpec spec = moe.spec();
        String shared = spec.sharedExpert()
                .map(expert -> String.format(Locale.ROOT, ", shared expert of %d", expert.intermediateSize()))
                .orElse("");
        return String.format(
                Locale.ROOT,
                "%d MoE layer%s of n = %d, m = %d, N = %d, K = %d%s%s",
                moe.layers(),
                moe.layers() == 1 ? "" : "s",
                spec.hiddenSize(),
                spec.intermediateSize(),
                spec.numExperts(),
                spec.topK(),
                shared,
                spec.gated() ? "" : ", ungated");
    }

    /** The factorisation in one line. */
    String factorisation() {
        LatentSpec latent = molae.latent();
        int groups = molae.spec().expertGroups().numGroups();
        return String.format(
                Locale.ROOT,
                "%s factored at r = %d%s, %s",
                factoredOperators().collect(Collectors.joining(", ")),
                molae.latentSize(),
                latent.tiedGateUp() ? " with gate and up tied" : "",
                groups == 1
                        ? "one group of all experts"
                        : String.format(Locale.ROOT, "%d groups of k = %d experts", groups, latent.groupSize()));
    }

    private Stream<String> factoredOperators() {
        return List.of(ExpertOperator.values()).stream()
                .filter(molae::isFactored)
                .map(operator -> operator.name().toLowerCase(Locale.ROOT));
    }

    List<String> factored() {
        return factoredOperators().toList();
    }
}
