package ai.molae.cli.train;

import ai.molae.cli.options.Ranges;
import ai.molae.cli.quickstart.QuickstartPreset;
import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.files.SmallText;
import ai.molae.djl.json.SpecJson;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which model, and what is changed of it before it is trained. */
final class ModelOptions {

    /** The longest sequence of a model that a preset describes. */
    private static final int PRESET_POSITIONS = 1024;

    private static final double UPCYCLED_AUX_LOSS = 0.01;

    @Option(names = "--from", paramLabel = "DIR", description = "Train the model of this checkpoint further.")
    @Nullable
    Path from;

    @Option(
            names = "--preset",
            paramLabel = "SIZE",
            description = "Train a new model on bytes: ${COMPLETION-CANDIDATES}, the MoE of molae quickstart.")
    @Nullable
    QuickstartPreset preset;

    @Option(
            names = "--spec",
            paramLabel = "FILE|JSON",
            description = "Train a new model that a JSON file, or JSON itself, describes.")
    @Nullable
    String spec;

    @Option(
            names = "--upcycle",
            paramLabel = "N",
            description = "Make N experts of each dense feed-forward network first, copies of it or of parts of it.")
    @Nullable
    Integer upcycle;

    @Option(
            names = "--expert-size",
            paramLabel = "m",
            description = "Width of the upcycled experts; divides the dense width (default: the dense width).")
    @Nullable
    Integer expertSize;

    @Option(
            names = "--top-k",
            paramLabel = "K",
            description = "Upcycled experts of a token (default: as many as two dense networks).")
    @Nullable
    Integer topK;

    @Option(
            names = "--aux-loss",
            paramLabel = "C",
            description = "Factor of the load-balancing loss (default: the model's; " + UPCYCLED_AUX_LOSS
                    + " after --upcycle).")
    @Nullable
    Double auxLoss;

    @Option(
            names = "--aux-scope",
            paramLabel = "SCOPE",
            description = "What that loss balances: ${COMPLETION-CANDIDATES} (default: the model's).")
    @Nullable
    AuxLossScope auxScope;

    @Option(names = "--z-loss", paramLabel = "C", description = "Factor of the router's z-loss (default: the model's).")
    @Nullable
    Double zLoss;

    @Option(
            names = "--capacity",
            paramLabel = "C",
            description =
                    "Experts take at most C times their even share of a batch, the rest is dropped (default: the model's).")
    @Nullable
    Double capacity;

    /** Refuses none and several, and what is about upcycling without it. */
    void check() {
        long sources =
                Stream.of(from, preset, spec).filter(source -> source != null).count();
        if (sources != 1) {
            throw new IllegalArgumentException("give exactly one model, --from, --preset or --spec; got " + sources);
        }
        List<String> widths = new ArrayList<>();
        if (expertSize != null) {
            widths.add("--expert-size");
        }
        if (topK != null) {
            widths.add("--top-k");
        }
        if (upcycle == null && !widths.isEmpty()) {
            throw new IllegalArgumentException(
                    String.join(", ", widths) + " is about the experts of --upcycle; add it, or leave this away");
        }
    }

    /** The model of a preset or a spec. */
    ModelSpec fresh() {
        if (preset != null) {
            return preset.moeModel(ByteTokenizer.VOCAB_SIZE, PRESET_POSITIONS);
        }
        try {
            return SpecJson.parseModel(json(String.valueOf(spec)));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("--spec " + spec + ": " + e.getMessage(), e);
        }
    }

    /** What {@code --spec} says, whether it is a file or JSON. */
    static String json(String spec) {
        if (spec.strip().startsWith("{")) {
            return spec;
        }
        Path file = Path.of(spec);
        if (!Files.isRegularFile(file)) {
            throw new IllegalArgumentException("--spec " + spec + " is no file; give one, or JSON between braces");
        }
        try {
            return SmallText.read(file, SmallText.SETTINGS);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read --spec " + spec + ": " + e.getMessage(), e);
        }
    }

    /** The model with the router's flags. */
    ModelSpec withRouter(ModelSpec model) {
        if (auxLoss == null && auxScope == null && zLoss == null && capacity == null) {
            return model;
        }
        if (upcycle == null && model.feedForwards().stream().noneMatch(MoeSpec.class::isInstance)) {
            throw new IllegalArgumentException("--aux-loss, --aux-scope, --z-loss and --capacity are about MoE layers;"
                    + " the model has none; leave them away, or make some with --upcycle");
        }
        return model.mapMoe(
                layer -> layer.toBuilder().optRouter(router(layer.router())).build());
    }

    private RouterSpec router(RouterSpec router) {
        RouterSpec.Builder builder = router.toBuilder();
        if (auxLoss != null) {
            builder.optAuxLossCoef(auxLoss);
        }
        if (auxScope != null) {
            builder.optAuxLossScope(auxScope);
        }
        if (zLoss != null) {
            builder.optZLossCoef(zLoss);
        }
        if (capacity != null) {
            builder.optCapacityFactor(capacity);
        }
        return builder.build();
    }

    /** What {@code --upcycle} makes of a dense layer. */
    MoeSpec upcycled(DenseSpec dense) {
        int experts = Ranges.positive("--upcycle", upcycle == null ? 0 : upcycle);
        int width = expertSize == null
                ? dense.intermediateSize()
                : Ranges.between("--expert-size", expertSize, 1, dense.intermediateSize());
        int chosen = topK == null ? Math.min(experts, 2 * Math.max(1, dense.intermediateSize() / width)) : topK;
        return MoeSpec.builder()
                .setHiddenSize(dense.hiddenSize())
                .setIntermediateSize(width)
                .setNumExperts(experts)
                .setTopK(Ranges.between("--top-k", chosen, 1, experts))
                .optActivation(dense.activation())
                .optGated(dense.gated())
                .optRouter(router(
                        RouterSpec.builder().optAuxLossCoef(UPCYCLED_AUX_LOSS).build()))
                .build();
    }
}
