package ai.molae.cli;

import ai.molae.cli.options.LatentOptions;
import ai.molae.cli.options.Ranges;
import ai.molae.cli.plan.AtomicFile;
import ai.molae.cli.plan.Comparison;
import ai.molae.cli.plan.Measurement;
import ai.molae.cli.plan.Plan;
import ai.molae.cli.plan.PlanFormat;
import ai.molae.cli.plan.Precision;
import ai.molae.cli.plan.Settings;
import ai.molae.cli.work.Output;
import ai.molae.cost.Roofline;
import ai.molae.spec.ModelPresets;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code molae plan}: what a standard MoE costs, and what the MoLAE of the same shape costs, before either is built. */
@Command(
        name = "plan",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        sortOptions = false,
        description = {
            "Count parameters, FLOPs, bytes and traffic of a standard MoE and of the MoLAE of the same shape.",
            "Without a preset and a shape: a table over all presets."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae plan",
            "  molae plan --preset Qwen3-30B-A3B --latent 768 --tied",
            "  molae plan --preset DeepSeek-V3 --format csv --out plan.csv",
            "  molae plan --measure --preset Qwen3-30B-A3B --precision int8",
            "  molae plan --hidden 2048 --intermediate 768 --experts 128 --top-k 8"
        })
final class PlanCommand implements Callable<Integer> {

    private static final long DEFAULT_CONTEXT = 2048;
    private static final long DEFAULT_TOKENS = 2048;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Option(
            names = "--preset",
            paramLabel = "NAME",
            completionCandidates = PresetNames.class,
            description = "A published model: ${COMPLETION-CANDIDATES}.")
    private @Nullable String preset;

    @ArgGroup(validate = false, heading = "%nInstead of a preset, equal layers of this shape:%n", order = 1)
    private ShapeOptions shape = new ShapeOptions();

    @ArgGroup(
            validate = false,
            heading = "%nHow MoLAE factors the experts (a preset that is MoLAE itself keeps what is not given):%n",
            order = 2)
    private LatentOptions latent = new LatentOptions();

    @ArgGroup(validate = false, heading = "%nWhat is counted:%n", order = 3)
    private SettingOptions settings = new SettingOptions();

    @ArgGroup(validate = false, heading = "%nThe machine at hand:%n", order = 4)
    private MeasureOptions measuring = new MeasureOptions();

    @ArgGroup(validate = false, heading = "%nOutput:%n", order = 5)
    private OutputOptions output = new OutputOptions();

    /** Made by picocli. */
    PlanCommand() {}

    /** What is counted. */
    static final class SettingOptions {
        @Option(
                names = "--precision",
                defaultValue = "bfloat16",
                description = "Number format of bytes: float32, bfloat16 or int8 (default: ${DEFAULT-VALUE}).")
        private Precision precision = Precision.BFLOAT16;

        @Option(
                names = "--tokens",
                paramLabel = "T",
                description = "Tokens of a training batch (default: " + DEFAULT_TOKENS
                        + "), or with --measure of a prompt (" + MeasureOptions.DEFAULT_PREFILL + ").")
        private @Nullable Long tokens;

        @Option(
                names = "--context",
                paramLabel = "C",
                description = "Positions a token attends, of a preset (default: " + DEFAULT_CONTEXT + ").")
        private @Nullable Long context;

        @Option(
                names = "--batch",
                paramLabel = "B",
                defaultValue = "1",
                description = "Sequences decoded together (default: ${DEFAULT-VALUE}).")
        private long batch;

        @Option(
                names = "--peak-gflops",
                paramLabel = "GFLOP/s",
                description = "Measured peak of your machine; with --bandwidth-gbs adds the least times.")
        private @Nullable Double peakGflops;

        @Option(names = "--bandwidth-gbs", paramLabel = "GB/s", description = "Measured memory bandwidth.")
        private @Nullable Double bandwidthGbs;

        @Option(names = "--scaling-law", description = "Predict the loss of a preset; needs --train-tokens.")
        private boolean scalingLaw;

        @Option(names = "--train-tokens", paramLabel = "D", description = "Training tokens, such as 3e11.")
        private @Nullable Double trainTokens;
    }

    /** Where it goes. */
    static final class OutputOptions {
        @Option(
                names = "--format",
                defaultValue = "text",
                description = "text, csv or json; csv and json have all digits (default: ${DEFAULT-VALUE}).")
        private PlanFormat format = PlanFormat.TEXT;

        @Option(names = "--out", paramLabel = "FILE", description = "Write to a file instead of standard output.")
        private @Nullable Path out;
    }

    /** The names that {@code --preset} takes. */
    static final class PresetNames implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return ModelPresets.names().iterator();
        }
    }

    @Override
    public Integer call() {
        Plan plan;
        try {
            if (measuring.measures()) {
                measure();
                return 0;
            }
            plan = plan();
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException(
                    "a count exceeds 2^63 - 1 = 9,223,372,036,854,775,807; choose smaller sizes");
        }
        write(output.format.write(plan), plan.notes());
        return 0;
    }

    /** Whether flags give the shape. */
    private boolean shaped() {
        boolean shaped = !shape.given().isEmpty();
        if (preset != null && shaped) {
            throw new IllegalArgumentException("--preset " + preset + " has its own shape, which "
                    + String.join(", ", shape.given()) + " would contradict; leave one of both away");
        }
        return shaped;
    }

    private Comparison ofShape() {
        MoeSpec moe = shape.layer();
        return Comparison.ofLayers(moe, latent.factor(moe), shape.layers());
    }

    private List<Comparison> ofAllPresets() {
        return ModelPresets.names().stream().map(this::comparison).toList();
    }

    private void measure() {
        MeasureOptions.refuse(settings.peakGflops != null, "--peak-gflops", "measures the peak itself");
        MeasureOptions.refuse(settings.bandwidthGbs != null, "--bandwidth-gbs", "measures the bandwidth itself");
        MeasureOptions.refuse(settings.context != null, "--context", "times layers, which attend nothing");
        MeasureOptions.refuse(settings.scalingLaw, "--scaling-law", "tells times, not losses");
        MeasureOptions.refuse(settings.trainTokens != null, "--train-tokens", "trains nothing");
        MeasureOptions.refuse(
                shape.given().contains("--layers"), "--layers", "builds one layer, because all take the same time");
        List<Comparison> comparisons =
                shaped() ? List.of(ofShape()) : preset == null ? ofAllPresets() : List.of(comparison(preset));
        PrintWriter error = spec.commandLine().getErr();
        Measurement measurement = Measurement.of(
                comparisons,
                settings.precision,
                settings.tokens == null
                        ? MeasureOptions.DEFAULT_PREFILL
                        : MeasureOptions.tokens("--tokens", settings.tokens),
                MeasureOptions.tokens("--batch", settings.batch),
                measuring.parameters(),
                line -> {
                    error.println(line);
                    error.flush();
                });
        write(measurement.write(output.format), measurement.notes());
    }

    private Plan plan() {
        if (shaped()) {
            refuseModelOptions();
            return Plan.of(ofShape(), settings());
        }
        if (preset != null) {
            return Plan.of(comparison(preset), settings());
        }
        if (settings.scalingLaw || settings.peakGflops != null || settings.bandwidthGbs != null) {
            throw new IllegalArgumentException(
                    "the table over all presets has neither losses nor times; name one --preset");
        }
        return Plan.overview(ofAllPresets(), settings());
    }

    private void refuseModelOptions() {
        if (settings.context != null) {
            throw new IllegalArgumentException(
                    "--context is the attention's, and layers given by their shape have none; "
                            + "leave it away, or name a --preset");
        }
        if (settings.scalingLaw) {
            throw new IllegalArgumentException("--scaling-law predicts the loss of a whole model; name a --preset");
        }
    }

    private Comparison comparison(String name) {
        ModelSpec preset = ModelPresets.get(name);
        String asListed = ModelPresets.names().stream()
                .filter(name::equalsIgnoreCase)
                .findFirst()
                .orElse(name);
        try {
            return Comparison.ofModel(asListed, preset, latent::factor);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(name + ": " + e.getMessage(), e);
        }
    }

    private Settings settings() {
        return new Settings(
                settings.precision,
                settings.tokens == null ? DEFAULT_TOKENS : Ranges.positive("--tokens", settings.tokens),
                settings.context == null ? DEFAULT_CONTEXT : Ranges.positive("--context", settings.context),
                Ranges.positive("--batch", settings.batch),
                machine(),
                trainTokens());
    }

    private Optional<Roofline> machine() {
        Double peak = settings.peakGflops;
        Double bandwidth = settings.bandwidthGbs;
        if (peak == null && bandwidth == null) {
            return Optional.empty();
        }
        if (peak == null || bandwidth == null) {
            throw new IllegalArgumentException(
                    "a time needs both ceilings; add " + (peak == null ? "--peak-gflops" : "--bandwidth-gbs"));
        }
        return Optional.of(new Roofline(
                Ranges.finitePositive("--peak-gflops", peak) * 1e9,
                Ranges.finitePositive("--bandwidth-gbs", bandwidth) * 1e9));
    }

    private Optional<Double> trainTokens() {
        Double tokens = settings.trainTokens;
        if (settings.scalingLaw && tokens == null) {
            throw new IllegalArgumentException(
                    "--scaling-law needs the length of the training; add --train-tokens, such as 3e11");
        }
        if (!settings.scalingLaw && tokens != null) {
            throw new IllegalArgumentException(
                    "--train-tokens is used by --scaling-law only; add that, or leave it away");
        }
        return Optional.ofNullable(tokens).map(given -> Ranges.finitePositive("--train-tokens", given));
    }

    private void write(String text, List<String> notes) {
        PrintWriter error = spec.commandLine().getErr();
        Path out = output.out;
        if (out == null) {
            Output.print(spec.commandLine(), text);
        } else {
            try {
                AtomicFile.write(out, text);
            } catch (IOException | IllegalArgumentException e) {
                throw new IllegalArgumentException("cannot write " + out + ": " + e.getMessage());
            }
        }
        if (!output.format.hasNotes()) {
            // Data stays data: the sentences must not end up in the file.
            notes.forEach(error::println);
            error.flush();
        }
    }
}
