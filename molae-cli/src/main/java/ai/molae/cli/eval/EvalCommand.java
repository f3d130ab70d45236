package ai.molae.cli.eval;

import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.options.Ranges;
import ai.molae.cli.table.TableFormat;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Output;
import ai.molae.djl.hf.Checkpoint;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code molae eval}: how well a model predicts a text. */
@Command(
        name = "eval",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Measure how well a checkpoint predicts a text: loss, perplexity, bits per byte, and how evenly its experts are used.",
            "The documents are one stream of tokens, cut into windows that do not overlap; every token is scored once, the first of a "
                    + "window with one token before it. Tokens between documents are read and not scored, so that the bits are those of the text."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae eval OLMoE-1B-7B --text book.txt",
            "  molae eval OLMoE-1B-7B --text book.txt --precision int8 --limit 50000",
            "  molae eval my-model --text src --tokenizer bytes --sequence 512 --stride 256 --format json"
        })
public final class EvalCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Parameters(paramLabel = "DIR", description = "Folder of the checkpoint.")
    @SuppressWarnings("NullAway.Init") // required
    private Path folder;

    @ArgGroup(validate = false, heading = "%nThe text:%n")
    private TextOptions text = new TextOptions();

    @Option(
            names = "--batch",
            paramLabel = "B",
            defaultValue = "1",
            description = "Windows read together (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(
            names = "--format",
            defaultValue = "text",
            description = "text, json, csv or markdown; json and csv have all digits (default: ${DEFAULT-VALUE}).")
    private TableFormat format = TableFormat.TEXT;

    @Option(names = "--quiet", description = "No progress and no figures of speed.")
    private boolean quiet;

    /** Made by picocli. */
    public EvalCommand() {}

    @Override
    public Integer call() throws IOException {
        Ranges.positive("--batch", batch);
        if (!text.isGiven()) {
            throw new IllegalArgumentException("there is nothing to predict; name a text with --text");
        }
        try (Interruption interruption = new Interruption()) {
            return interruption.guard(spec.commandLine().getErr(), () -> evaluate(interruption));
        }
    }

    private int evaluate(Interruption interruption) throws IOException {
        PrintWriter err = spec.commandLine().getErr();
        try (Checkpoint checkpoint = Checkpoints.open(folder)) {
            Evaluation evaluation = text.evaluate(checkpoint, batch, err, quiet, interruption);
            Result result = evaluation.result();
            Output.print(
                    spec.commandLine(), format.write(List.of(evaluation.prediction(), evaluation.loads()), List.of()));
            if (!quiet) {
                err.printf(
                        Locale.ROOT,
                        "scored %,d tokens in %.1f s, %,.0f tokens/s%n",
                        result.tokens(),
                        result.seconds(),
                        result.tokens() / result.seconds());
                err.flush();
            }
        }
        return 0;
    }
}
