package ai.molae.cli.inspect;

import ai.djl.Device;
import ai.molae.cli.eval.Evaluation;
import ai.molae.cli.eval.TextOptions;
import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.options.Ranges;
import ai.molae.cli.table.Table;
import ai.molae.cli.table.TableFormat;
import ai.molae.cli.table.Unit;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Output;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import ai.molae.djl.files.WholeFile;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.MemoryEstimate;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code molae inspect}: what a checkpoint is, holds and costs. */
@Command(
        name = "inspect",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Tell what a checkpoint is, what its parts hold, what the model costs, and with --text how its experts are used.",
            "Without --text only the headers of the files are read, so it works on checkpoints larger than memory."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae inspect Qwen3-30B-A3B",
            "  molae inspect Qwen3-30B-A3B --format json",
            "  molae inspect OLMoE-1B-7B --text book.txt --limit 20000 --precision int8",
            "  molae inspect OLMoE-1B-7B --html model.html --text book.txt --limit 20000 --spectra 0,8,15"
        })
public final class InspectCommand implements Callable<Integer> {

    private static final int DEFAULT_CONTEXT = 2048;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Parameters(paramLabel = "DIR", description = "Folder of the checkpoint.")
    @SuppressWarnings("NullAway.Init") // required
    private Path folder;

    @Option(
            names = "--context",
            paramLabel = "C",
            description =
                    "Positions of a sequence in the costs (default: " + DEFAULT_CONTEXT + ", or the model's longest).")
    private @Nullable Integer context;

    @Option(
            names = "--batch",
            paramLabel = "B",
            defaultValue = "1",
            description = "Sequences at once, in the costs and with --text (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(
            names = "--format",
            defaultValue = "text",
            description = "text, json, csv or markdown; json and csv have all digits (default: ${DEFAULT-VALUE}).")
    private TableFormat format = TableFormat.TEXT;

    @ArgGroup(validate = false, heading = "%nThe same as a page:%n", order = 2)
    private PageOptions page = new PageOptions();

    @ArgGroup(
            validate = false,
            order = 1,
            heading = "%nHow the experts are used on a text, for which the model is loaded:%n")
    private TextOptions text = new TextOptions();

    /** Made by picocli. */
    public InspectCommand() {}

    @Override
    public Integer call() throws IOException {
        Ranges.positive("--batch", batch);
        try (Interruption interruption = new Interruption()) {
            return interruption.guard(spec.commandLine().getErr(), () -> inspect(interruption));
        }
    }

    private int inspect(Interruption interruption) throws IOException {
        page.check();
        try (Checkpoint checkpoint = Checkpoints.open(folder)) {
            int longest = checkpoint.spec().maxPositionEmbeddings();
            int positions = context == null
                    ? Math.min(DEFAULT_CONTEXT, longest)
                    : Ranges.between("--context", context, 1, longest);
            ModelCost cost = CostModel.model(checkpoint.spec());
            Costs costs = new Costs(cost, positions, batch);
            ModelPage.Tables tables = new ModelPage.Tables(
                    Summary.of(checkpoint),
                    new Parts(checkpoint).table(cost),
                    costs.computation(),
                    costs.memory(),
                    Parts.files(checkpoint),
                    costs.notes());
            Optional<SpectraChoice> spectra = page.file().map(file -> page.spectra(checkpoint));
            Optional<Evaluation> evaluation = evaluate(checkpoint, cost, interruption);
            if (page.file().isPresent()) {
                ModelPage html = new ModelPage(
                        checkpoint,
                        cost,
                        new ModelPage.Setting(positions, batch),
                        tables,
                        evaluation,
                        spectra.orElseThrow(),
                        PageOptions.compute(
                                spectra.orElseThrow(),
                                checkpoint,
                                spec.commandLine().getErr(),
                                interruption));
                write(page.file().get(), html, interruption);
            }
            print(tables, evaluation);
        }
        return 0;
    }

    private Optional<Evaluation> evaluate(Checkpoint checkpoint, ModelCost cost, Interruption interruption)
            throws IOException {
        if (!text.isGiven()) {
            text.refuseOthers();
            return Optional.empty();
        }
        PageOptions.checkMemory(cost.weightBytes(packed(text.precision())), MemoryEstimate.available(Device.cpu()));
        return Optional.of(text.evaluate(checkpoint, batch, spec.commandLine().getErr(), false, interruption));
    }

    private static ElementType packed(Precision precision) {
        return switch (precision) {
            case FLOAT32 -> ElementType.FLOAT32;
            case BFLOAT16 -> ElementType.BFLOAT16;
            case FLOAT16 -> ElementType.FLOAT16;
            case INT8 -> ElementType.INT8;
        };
    }

    private void write(Path file, ModelPage html, Interruption interruption) throws IOException {
        List<String> arguments = spec.root().commandLine().getParseResult().originalArgs();
        String content = html.html(arguments, Instant.now());
        interruption.check();
        WholeFile.write(file, content);
        PrintWriter err = spec.commandLine().getErr();
        err.println("wrote " + file + ", " + Unit.BYTE.human(Files.size(file)));
        err.flush();
    }

    private void print(ModelPage.Tables tables, Optional<Evaluation> evaluation) {
        List<Table> all = new ArrayList<>(
                List.of(tables.summary(), tables.parameters(), tables.computation(), tables.memory(), tables.files()));
        List<String> notes = new ArrayList<>(tables.notes());
        evaluation.ifPresent(found -> {
            all.add(found.loads());
            notes.add(String.format(
                    Locale.ROOT,
                    "The load is that of %,d tokens of the text.",
                    found.result().tokens()));
        });
        Output.print(spec.commandLine(), format.write(all, notes));
    }
}
