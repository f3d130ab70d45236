package ai.molae.cli.inspect;

import ai.molae.cli.eval.Evaluation;
import ai.molae.cli.eval.TextOptions;
import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.options.Ranges;
import ai.molae.cli.table.Table;
import ai.molae.cli.table.TableFormat;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Output;
import ai.molae.cost.CostModel;
import ai.molae.cost.ModelCost;
import ai.molae.djl.hf.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
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
            "  molae inspect OLMoE-1B-7B --text book.txt --limit 20000 --precision int8"
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

    @ArgGroup(validate = false, heading = "%nHow the experts are used on a text, for which the model is loaded:%n")
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
        try (Checkpoint checkpoint = Checkpoints.open(folder)) {
            int longest = checkpoint.spec().maxPositionEmbeddings();
            int positions = context == null
                    ? Math.min(DEFAULT_CONTEXT, longest)
                    : Ranges.between("--context", context, 1, longest);
            ModelCost cost = CostModel.model(checkpoint.spec());
            Costs costs = new Costs(cost, positions, batch);
            List<Table> tables = new ArrayList<>(List.of(
                    Summary.of(checkpoint),
                    new Parts(checkpoint).table(cost),
                    costs.computation(),
                    costs.memory(),
                    Parts.files(checkpoint)));
            List<String> notes = new ArrayList<>(costs.notes());
            if (text.isGiven()) {
                addLoad(checkpoint, tables, notes, interruption);
            } else {
                text.refuseOthers();
            }
            Output.print(spec.commandLine(), format.write(tables, notes));
        }
        return 0;
    }

    private void addLoad(Checkpoint checkpoint, List<Table> tables, List<String> notes, Interruption interruption)
            throws IOException {
        Evaluation evaluation =
                text.evaluate(checkpoint, batch, spec.commandLine().getErr(), false, interruption);
        tables.add(evaluation.loads());
        notes.add(String.format(
                Locale.ROOT,
                "The load is that of %,d tokens of the text.",
                evaluation.result().tokens()));
    }
}
