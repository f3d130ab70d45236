package ai.molae.bench.suite;

import ai.molae.bench.report.ReportFolder;
import ai.molae.bench.results.Environment;
import ai.molae.bench.table.ModelTableOptions;
import ai.molae.bench.workload.Shape;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.runner.RunnerException;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/** {@code molae bench}: runs the benchmarks and writes the report. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Measure memory, FLOPs and time of MoLAE against standard MoE, and write a report.",
            "Leave the machine alone while it runs: it measures the machine too."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae bench",
            "  molae bench --model DIR --precision bfloat16,int8",
            "  molae bench --full --out report",
            "  molae bench --preset OLMOE_1B_7B --only Layer",
            "  molae bench compare before after"
        },
        subcommands = {CompareCommand.class, ReportCommand.class})
final class BenchCommand implements Callable<Integer> {

    private static final List<String> SUITE_OPTIONS =
            List.of("--quick", "--full", "--preset", "--only", "--list", "--jvm");

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    /** How much. */
    static final class ExtentOptions {
        @Option(names = "--quick", description = "The default: within ten minutes on two cores.")
        private boolean quick;

        @Option(
                names = "--full",
                description = "Every shape in every precision, larger layers: within two hours, 16 GB.")
        private boolean full;

        Extent extent() {
            return full && !quick ? Extent.FULL : Extent.QUICK;
        }
    }

    @ArgGroup
    private @Nullable ExtentOptions extent;

    @Option(
            names = "--preset",
            paramLabel = "NAME",
            split = ",",
            description = "Compare MoE and MoLAE in these shapes only: ${COMPLETION-CANDIDATES}.")
    private List<Shape> presets = List.of();

    @Option(
            names = "--only",
            paramLabel = "REGEX",
            description = "Run only benchmarks whose name contains this, for example LayerForward.")
    private @Nullable String only;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description =
                    "New folder for results and report (default: molae-bench-DATE-TIME); with --model the table's file.")
    private @Nullable Path out;

    @Option(names = "--list", description = "Say what would run, and run nothing.")
    private boolean list;

    @Option(
            names = "--jvm",
            paramLabel = "OPTION",
            description = "A further option of the measured JVMs, for example --jvm=-Dmolae.gemm=matmul.")
    private List<String> jvmOptions = List.of();

    @ArgGroup(validate = false, heading = "%nIn place of the suite, the speed of a checkpoint:%n")
    private ModelTableOptions table = new ModelTableOptions();

    /** Made by picocli. */
    BenchCommand() {}

    @Override
    public Integer call() throws IOException, RunnerException {
        boolean model = table.model().isPresent();
        refuse(
                model ? SUITE_OPTIONS : ModelTableOptions.NAMES,
                model ? "belong to the suite, which --model replaces" : "need --model DIR");
        if (model) {
            return table.run(spec.commandLine(), out);
        }
        List<TrialSet> trialSets = trialSets();
        Plan plan = Plan.of(trialSets);
        PrintWriter err = spec.commandLine().getErr();
        if (list) {
            PrintWriter text = spec.commandLine().getOut();
            trialSets.forEach(trialSet -> text.println(trialSet.benchmark() + " " + trialSet.parameters()));
            plan.unsupported().forEach(text::println);
            text.println(plan.trials().size() + " trials");
            text.flush();
            return 0;
        }
        Path folder = folder();
        Path facts = folder.resolve(Environment.FILE);
        Environment environment = MeasuredProcesses.facts(
                Environment.collect()
                        .with(
                                "command",
                                String.join(
                                        " ", spec.commandLine().getParseResult().originalArgs())),
                jvmOptions,
                System.getenv());
        environment.write(facts);
        long start = System.nanoTime();
        List<String> failed = new SuiteRun(folder, jvmOptions).run(plan, err);
        environment
                .with("minutes", String.format(Locale.ROOT, "%.1f", (System.nanoTime() - start) / 60e9))
                .write(facts);
        ReportFolder.write(folder);
        err.println("report: " + folder.resolve("index.html"));
        if (!failed.isEmpty()) {
            throw new IllegalStateException(failed.size() + " trials gave no result; " + folder.resolve(SuiteRun.LOG)
                    + " says why, the report has the others");
        }
        return 0;
    }

    /** An option without effect is a misunderstanding. */
    private void refuse(List<String> options, String why) {
        ParseResult given = spec.commandLine().getParseResult();
        List<String> useless = options.stream().filter(given::hasMatchedOption).toList();
        if (!useless.isEmpty()) {
            throw new IllegalArgumentException(String.join(", ", useless) + " " + why);
        }
    }

    private List<TrialSet> trialSets() {
        Pattern pattern;
        try {
            pattern = Pattern.compile(only == null ? "" : only);
        } catch (PatternSyntaxException e) {
            throw new IllegalArgumentException("--only is no regular expression: " + e.getMessage(), e);
        }
        Extent chosen = extent == null ? Extent.QUICK : extent.extent();
        List<TrialSet> all = chosen.trialSets(presets.isEmpty() ? chosen.shapes() : presets);
        List<TrialSet> matching = all.stream()
                .filter(trialSet -> pattern.matcher(trialSet.benchmark()).find())
                .toList();
        if (matching.isEmpty()) {
            throw new IllegalArgumentException("--only " + only + " leaves nothing to run; benchmarks are "
                    + all.stream().map(TrialSet::benchmark).distinct().toList());
        }
        return matching;
    }

    /** Results are never overwritten. */
    private Path folder() throws IOException {
        Path folder = out != null
                ? out
                : Path.of("molae-bench-"
                        + LocalDateTime.now(ZoneId.systemDefault())
                                .format(DateTimeFormatter.ofPattern("yyyy-MM-dd-HHmmss")));
        if (Files.exists(folder.resolve(SuiteRun.RESULTS))) {
            throw new IllegalArgumentException(folder + " has results already; name another folder, or delete it");
        }
        return Files.createDirectories(folder);
    }
}
