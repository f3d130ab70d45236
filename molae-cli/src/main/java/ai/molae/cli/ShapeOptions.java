package ai.molae.cli;

import ai.molae.cli.options.Ranges;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.SharedExpertSpec;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The shape of MoE layers, flag by flag. */
final class ShapeOptions {

    /** Far beyond any model, so a slip of the keyboard is told instead of computed. */
    private static final int MAX_LAYERS = 10_000;

    private static final int MAX_EXPERTS = 10_000;

    @Option(names = "--hidden", paramLabel = "n", description = "Width of the residual stream.")
    private @Nullable Integer hidden;

    @Option(names = "--intermediate", paramLabel = "m", description = "Width inside one expert.")
    private @Nullable Integer intermediate;

    @Option(names = "--experts", paramLabel = "N", description = "Routed experts in a layer.")
    private @Nullable Integer experts;

    @Option(names = "--top-k", paramLabel = "K", description = "Experts that a token visits.")
    private @Nullable Integer topK;

    @Option(names = "--layers", paramLabel = "L", description = "Equal layers (default: 1).")
    private @Nullable Integer layers;

    @Option(names = "--shared", paramLabel = "S", description = "Shared experts of width m each (default: 0).")
    private @Nullable Integer shared;

    @Option(names = "--ungated", description = "The experts have no gate operator.")
    private boolean ungated;

    /** The flags that were given. */
    List<String> given() {
        List<String> given = new ArrayList<>();
        addIf(given, hidden != null, "--hidden");
        addIf(given, intermediate != null, "--intermediate");
        addIf(given, experts != null, "--experts");
        addIf(given, topK != null, "--top-k");
        addIf(given, layers != null, "--layers");
        addIf(given, shared != null, "--shared");
        addIf(given, ungated, "--ungated");
        return given;
    }

    private static void addIf(List<String> list, boolean condition, String flag) {
        if (condition) {
            list.add(flag);
        }
    }

    /** How many layers. */
    int layers() {
        return layers == null ? 1 : Ranges.between("--layers", layers, 1, MAX_LAYERS);
    }

    /** The standard layer. */
    MoeSpec layer() {
        if (hidden == null || intermediate == null || experts == null || topK == null) {
            List<String> missing = new ArrayList<>(List.of("--hidden", "--intermediate", "--experts", "--top-k"));
            missing.removeAll(given());
            throw new IllegalArgumentException("a layer needs " + String.join(", ", missing) + " beside "
                    + String.join(", ", given()) + "; or leave the shape away and name a --preset");
        }
        MoeSpec.Builder layer = MoeSpec.builder()
                .setHiddenSize(Ranges.positive("--hidden", hidden))
                .setIntermediateSize(Ranges.positive("--intermediate", intermediate))
                .setNumExperts(Ranges.between("--experts", experts, 1, MAX_EXPERTS))
                .setTopK(Ranges.between("--top-k", topK, 1, experts))
                .optGated(!ungated);
        if (shared != null && Ranges.between("--shared", shared, 0, Integer.MAX_VALUE / intermediate) > 0) {
            layer.optSharedExpert(SharedExpertSpec.of(shared * intermediate));
        }
        return layer.build();
    }
}
