package ai.molae.cli.plan;

import ai.molae.cost.Prediction;
import ai.molae.spec.ModelSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The plain sentences under a plan. */
final class Notes {

    private Notes() {}

    static List<String> of(Comparison comparison, Settings settings) {
        List<String> notes = new ArrayList<>(new Rows(comparison, settings).bounds());
        if (!settings.precision().trainable()) {
            notes.add(settings.precision() + " weights cannot be trained, so there are no rows of training memory.");
        }
        comparison.moe().model().ifPresent(cost -> contextNote(cost.spec(), settings)
                .ifPresent(notes::add));
        settings.trainTokens().ifPresent(tokens -> {
            warn(notes, "MoE", Rows.predict(comparison.moe(), tokens));
            warn(notes, "MoLAE", Rows.predict(comparison.molae(), tokens));
        });
        verdict(comparison, settings).ifPresent(notes::add);
        return List.copyOf(notes);
    }

    private static Optional<String> contextNote(ModelSpec model, Settings settings) {
        return settings.context() <= model.maxPositionEmbeddings()
                ? Optional.empty()
                : Optional.of(String.format(
                        Locale.ROOT,
                        "The context of %,d positions exceeds the model's %,d.",
                        settings.context(),
                        model.maxPositionEmbeddings()));
    }

    private static void warn(List<String> notes, String side, Optional<Prediction> prediction) {
        prediction.ifPresent(
                p -> p.warnings().forEach(warning -> notes.add("Scaling law, " + side + ": " + warning + ".")));
    }

    /** Says so when factoring does not pay, with the latent sizes at which it would. */
    static Optional<String> verdict(Comparison comparison, Settings settings) {
        Side molae = comparison.molae();
        double parameters = (double) molae.parameters() / comparison.moe().parameters();
        double flops = molae.forwardFlops(settings.context()) / comparison.moe().forwardFlops(settings.context());
        List<String> losses = new ArrayList<>();
        if (parameters >= 1) {
            losses.add(String.format(Locale.ROOT, "%.3f times the parameters", parameters));
        }
        if (flops >= 1) {
            losses.add(String.format(Locale.ROOT, "%.3f times the forward FLOPs", flops));
        }
        if (losses.isEmpty()) {
            return Optional.empty();
        }
        boolean oneGroup = molae.spec().expertGroups().numGroups() == 1;
        return Optional.of(String.format(
                Locale.ROOT,
                "%s: factoring does not pay; MoLAE has %s of the standard MoE. It saves parameters below r = %.1f and "
                        + "FLOPs below r = %.1f, and r is %d: choose a smaller --latent%s.",
                comparison.name(),
                String.join(" and ", losses),
                molae.breakEvenForParameters(),
                molae.breakEvenForFlops(),
                molae.latentSize(),
                oneGroup ? "" : ", or a larger --group-size so that fewer projections are needed"));
    }
}
