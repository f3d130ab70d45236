package ai.molae.cli.convert;

import ai.molae.cli.work.Interruption;
import ai.molae.djl.safetensors.TensorType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code molae convert}: a checkpoint of a standard MoE becomes one of a MoLAE. */
@Command(
        name = "convert",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Convert the checkpoint of a standard Mixture-of-Experts model: the matrices of its experts are factored, and experts share projections.",
            "The new checkpoint appears complete or not at all, with reports beside it. Ctrl-C finishes the piece at hand; the same command goes on."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae convert OLMoE-1B-7B small --ratio 0.7",
            "  molae convert OLMoE-1B-7B small --ratio 0.7 --calibrate wiki.txt --validate held-out.txt",
            "  molae convert OLMoE-1B-7B small --calibrate wiki.txt --heal 300 --distill-logits",
            "  molae convert OLMoE-1B-7B small --method paper --latent gate=768,up=768,down=512 --groups 8"
        })
public final class ConvertCommand implements Callable<Integer> {

    /** A piece of work may be a layer of a large model. */
    private static final long GRACE_SECONDS = 1800;

    /** What says how a conversion is done or shown, not what it is. */
    private static final Set<String> NOT_OF_THE_WORK = Set.of("--quiet", "--restart", "--memory", "--threads");

    /** The element type of written factors. */
    enum TypeChoice {
        /** 32 bits. */
        F32(TensorType.F32),
        /** The upper half of float32. */
        BF16(TensorType.BF16),
        /** IEEE half precision. */
        F16(TensorType.F16);

        final TensorType type;

        TypeChoice(TensorType type) {
            this.type = type;
        }

        /** The name as the user writes it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "SRC", description = "Folder of the checkpoint of a standard MoE.")
    @SuppressWarnings("NullAway.Init") // required
    Path source;

    @Parameters(index = "1", paramLabel = "DST", description = "Folder of the converted one; must not exist yet.")
    @SuppressWarnings("NullAway.Init") // required
    Path target;

    @ArgGroup(validate = false, heading = "%nHow it is converted:%n", order = 1)
    ConversionOptions method = new ConversionOptions();

    @ArgGroup(validate = false, heading = "%nText to calibrate with:%n", order = 2)
    CalibrationOptions calibration = new CalibrationOptions();

    @ArgGroup(validate = false, heading = "%nTraining afterwards:%n", order = 3)
    HealingOptions healing = new HealingOptions();

    @Option(
            names = "--validate",
            paramLabel = "FILE|DIR",
            description = "Held-out text, on which the loss before and after is measured; may be repeated.",
            order = 4)
    List<Path> validation = new ArrayList<>();

    @ArgGroup(validate = false, heading = "%nHow texts are read:%n", order = 5)
    TextOptions texts = new TextOptions();

    @ArgGroup(validate = false, heading = "%nThe machine:%n", order = 6)
    MachineOptions machine = new MachineOptions();

    @Option(
            names = "--type",
            paramLabel = "TYPE",
            description = "Element type of the factors: ${COMPLETION-CANDIDATES} (default: that of the checkpoint).")
    @Nullable
    TypeChoice type;

    @Option(
            names = "--multiplied-out",
            description = "Write a standard checkpoint, whose matrices are the products of the factors.")
    boolean multipliedOut;

    @Option(names = "--restart", description = "Throw away what an interrupted conversion into DST left.")
    boolean restart;

    @Option(names = "--quiet", description = "No progress.")
    boolean quiet;

    /** Made by picocli. */
    public ConvertCommand() {}

    @Override
    public Integer call() throws IOException {
        calibration.check();
        healing.check(!calibration.text().isEmpty(), multipliedOut);
        machine.check();
        validation.forEach(path -> TextOptions.checkExists("--validate", path));
        try (Interruption interruption = new Interruption(GRACE_SECONDS)) {
            return interruption.guard(
                    spec.commandLine().getErr(), () -> new Conversion(this, spec.commandLine(), interruption).run());
        }
    }

    /** What decides about the result, as text: options and their values, and what is converted. */
    String settings() {
        Set<String> settings = new TreeSet<>();
        for (OptionSpec option : spec.commandLine().getParseResult().matchedOptionsSet()) {
            if (!NOT_OF_THE_WORK.contains(option.longestName())) {
                settings.add(option.longestName() + " " + option.originalStringValues());
            }
        }
        return source.toAbsolutePath().normalize() + "\n" + String.join("\n", settings) + "\n";
    }
}
