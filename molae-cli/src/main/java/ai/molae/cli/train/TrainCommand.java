package ai.molae.cli.train;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code molae train}: trains a language model, a new one or a checkpoint's. */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Train a language model, a new one or a checkpoint's, and save it as a checkpoint, tokenizer included.",
            "A run has a folder: its options (run.json), checkpoints to go on from, metrics for reading and for TensorBoard, a report,"
                    + " and the trained model. Ctrl-C ends it with a checkpoint, and molae resume goes on.",
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae train --preset small --text src --out run",
            "  molae train --from OLMoE-1B-7B --text notes.txt --out tuned --mode lora --steps 200",
            "  molae train --from dense --upcycle 8 --shards tokens --tokens 1000000000 --schedule wsd --out run",
            "  molae train --config run.json --lr 1e-4 --out another"
        })
public final class TrainCommand extends RunOptions implements Callable<Integer> {

    /** What says where and how a run is shown, not what it is. */
    static final Set<String> NOT_OF_THE_RUN = Set.of("out", "config", "quiet");

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Option(names = "--out", paramLabel = "DIR", description = "Folder of the run; must not exist yet or be empty.")
    private @Nullable Path out;

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description = "Options in a JSON file, their names without dashes as keys; flags win over it.")
    private @Nullable Path config;

    @Option(names = "--quiet", description = "No progress.")
    private boolean quiet;

    /** Made by picocli. */
    public TrainCommand() {}

    @Override
    public Integer call() throws IOException {
        if (config == null) {
            return start(out);
        }
        List<String> arguments =
                ConfigFile.merge(config, spec, spec.commandLine().getParseResult(), Set.of("config"));
        TrainCommand merged = ConfigFile.parse(new TrainCommand(), arguments, config, spec.commandLine());
        return merged.start(merged.out);
    }

    private int start(@Nullable Path folder) throws IOException {
        if (folder == null) {
            throw new IllegalArgumentException(
                    "--out is missing: name the folder of the run, which must not exist yet or be empty");
        }
        return run().start(folder);
    }

    /** The run that this command line describes. */
    TrainingRun run() {
        model.check();
        return new TrainingRun(this, settings(), spec.commandLine(), quiet);
    }

    private String settings() {
        return ConfigFile.write(spec.commandLine().getParseResult(), NOT_OF_THE_RUN);
    }
}
