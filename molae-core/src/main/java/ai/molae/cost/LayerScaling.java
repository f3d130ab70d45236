package ai.molae.cost;

import ai.molae.internal.Checks;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.SharedExpertSpec;
import java.util.ArrayList;
import java.util.List;

/**
 * Layers made smaller until they fit a machine: half as many experts as long as there are four times those a token chooses, then half the
 * width of everything. Ratios of widths, the number of chosen experts and the number of groups are those of the layer.
 */
public final class LayerScaling {

    private LayerScaling() {}

    /**
     * Makes a layer smaller.
     *
     * @param layer the layer
     * @param mostParameters what it may have at most, positive
     * @return the first that fits; the layer itself if it does
     * @throws IllegalArgumentException if none does
     */
    public static MoeSpec fit(MoeSpec layer, long mostParameters) {
        return fit(List.of(layer), mostParameters).get(0);
    }

    /**
     * Makes layers of equal sizes smaller in the same steps, such as a standard layer and its MoLAE.
     *
     * @param layers alike in hidden size, expert width, experts and top-K
     * @param mostParameters what each may have at most, positive
     * @return the first that all fit
     * @throws IllegalArgumentException if none do, the layers differ, or their groups are an explicit list
     */
    public static List<MoeSpec> fit(List<MoeSpec> layers, long mostParameters) {
        MoeSpec first = layers.get(0);
        for (MoeSpec layer : layers) {
            Checks.check(
                    layer.withoutLatent().equals(first.withoutLatent()),
                    "layers that are scaled together differ in their latent parts only, got %s and %s",
                    first,
                    layer);
        }
        List<MoeSpec> specs = new ArrayList<>(layers);
        while (specs.stream().anyMatch(spec -> CostModel.layer(spec).parameters() > mostParameters)) {
            MoeSpec now = specs.get(0);
            boolean fewer = canLoseExperts(now);
            Checks.check(
                    fewer || Math.min(now.hiddenSize(), now.intermediateSize()) >= 2,
                    "no layer of this kind has at most %d parameters; the smallest is %s",
                    mostParameters,
                    now);
            specs.replaceAll(spec -> fewer ? withHalfTheExperts(spec) : narrower(spec));
        }
        return List.copyOf(specs);
    }

    private static boolean canLoseExperts(MoeSpec spec) {
        return spec.numExperts() % 2 == 0 && spec.numExperts() / 2 >= 4 * spec.topK();
    }

    private static MoeSpec withHalfTheExperts(MoeSpec spec) {
        MoeSpec standard = spec.withoutLatent().toBuilder()
                .setNumExperts(spec.numExperts() / 2)
                .build();
        return spec.latent()
                .map(latent -> standard.withLatent(latent(latent, 1, Math.max(1, groupSize(latent) / 2))))
                .orElse(standard);
    }

    private static MoeSpec narrower(MoeSpec spec) {
        MoeSpec.Builder half = spec.withoutLatent().toBuilder()
                .setHiddenSize(spec.hiddenSize() / 2)
                .setIntermediateSize(spec.intermediateSize() / 2);
        spec.sharedExpert()
                .ifPresent(shared -> half.optSharedExpert(
                        new SharedExpertSpec(shared.intermediateSize() / 2, shared.sigmoidGated())));
        MoeSpec standard = half.build();
        return spec.latent()
                .map(latent -> standard.withLatent(latent(latent, 2, groupSize(latent))))
                .orElse(standard);
    }

    private static int groupSize(LatentSpec latent) {
        Checks.check(latent.groups().isEmpty(), "groups listed expert by expert cannot be scaled; give a group size");
        return latent.groupSize();
    }

    private static LatentSpec latent(LatentSpec latent, int divisor, int groupSize) {
        LatentSpec.Builder scaled =
                LatentSpec.builder().optFactored().setGroupSize(groupSize).optTiedGateUp(latent.tiedGateUp());
        latent.latentSizes().forEach((operator, size) -> scaled.optLatentSize(operator, Math.max(1, size / divisor)));
        return scaled.build();
    }
}
