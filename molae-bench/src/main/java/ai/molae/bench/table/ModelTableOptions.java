package ai.molae.bench.table;

import ai.molae.cli.model.InferencePrecision;
import ai.molae.cli.options.Ranges;
import ai.molae.cli.plan.AtomicFile;
import ai.molae.cli.table.TableFormat;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Output;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** What {@code molae bench --model} measures. Every combination of precisions, threads and tests is a row. */
public final class ModelTableOptions {

    /** Those that mean nothing without {@code --model}. */
    public static final List<String> NAMES =
            List.of("--precision", "--threads", "--prompt", "--generate", "--repetitions", "--format");

    @Option(
            names = "--model",
            paramLabel = "DIR",
            description = "Measure how fast this checkpoint reads and generates, in place of the suite.")
    private @Nullable Path model;

    @Option(
            names = "--prompt",
            paramLabel = "N",
            split = ",",
            defaultValue = "512",
            description = "Read prompts of N random tokens, pp<N>; 0 for none (default: ${DEFAULT-VALUE}).")
    private List<Integer> prompts = List.of(512);

    @Option(
            names = "--generate",
            paramLabel = "N",
            split = ",",
            defaultValue = "128",
            description = "Generate N tokens one by one, tg<N>; 0 for none (default: ${DEFAULT-VALUE}).")
    private List<Integer> generations = List.of(128);

    @Option(
            names = "--repetitions",
            paramLabel = "N",
            defaultValue = "5",
            description = "Of each test, after one to warm up (default: ${DEFAULT-VALUE}).")
    private int repetitions = 5;

    @Option(
            names = "--precision",
            split = ",",
            defaultValue = "bfloat16",
            completionCandidates = InferencePrecision.class,
            description = "How to pack the weights: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private List<Precision> precisions = List.of(Precision.BFLOAT16);

    @Option(
            names = "--threads",
            paramLabel = "N",
            split = ",",
            description = "Threads of libtorch (default: as many as it takes by itself).")
    private List<Integer> threads = List.of();

    @Option(
            names = "--format",
            defaultValue = "text",
            description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private TableFormat format = TableFormat.TEXT;

    /** Made by picocli. */
    public ModelTableOptions() {}

    /**
     * The checkpoint.
     *
     * @return its folder, or empty if none was named
     */
    public Optional<Path> model() {
        return Optional.ofNullable(model);
    }

    /**
     * What to measure.
     *
     * @return the checked settings
     * @throws IllegalArgumentException if no folder was named or a number is out of range; the message names the flag
     */
    public ModelTable.Settings settings() {
        Path folder = model().orElseThrow(() -> new IllegalArgumentException("name the checkpoint with --model DIR"));
        List<SpeedTest> tests = new ArrayList<>();
        add(tests, SpeedTest.Kind.PROMPT, prompts, "--prompt");
        add(tests, SpeedTest.Kind.GENERATE, generations, "--generate");
        if (tests.isEmpty()) {
            throw new IllegalArgumentException("--prompt 0 and --generate 0 leave nothing to measure");
        }
        Ranges.positive("--repetitions", repetitions);
        threads.forEach(count -> Ranges.positive("--threads", count));
        return new ModelTable.Settings(folder, tests, repetitions, precisions, threads);
    }

    private static void add(List<SpeedTest> tests, SpeedTest.Kind kind, List<Integer> counts, String flag) {
        for (int count : counts) {
            if (Ranges.between(flag, count, 0, Integer.MAX_VALUE) > 0) {
                tests.add(new SpeedTest(kind, count));
            }
        }
    }

    /**
     * Measures, telling of each test on standard error, and writes the table.
     *
     * @param command whose output it is
     * @param out the file to write instead of standard output; null for none
     * @return the exit code: 0, or 130 if it was interrupted
     * @throws IOException if the checkpoint cannot be read or the file not be written
     * @throws IllegalArgumentException if the folder is no checkpoint, or an option is out of range
     */
    public int run(CommandLine command, @Nullable Path out) throws IOException {
        ModelTable.Settings settings = settings();
        try (Interruption interruption = new Interruption()) {
            return interruption.guard(command.getErr(), () -> {
                List<ModelSpeed> speeds = new ModelTable(settings, command.getErr(), interruption).measure();
                String text = SpeedFormat.write(speeds, format);
                if (out == null) {
                    Output.print(command, text);
                } else {
                    AtomicFile.write(out, text);
                }
                return 0;
            });
        }
    }
}
