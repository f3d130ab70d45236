package ai.molae.cli.generate;

import ai.djl.ndarray.NDManager;
import ai.molae.cli.model.Checkpoints;
import ai.molae.cli.model.ModelTokenizer;
import ai.molae.cli.work.Interruption;
import ai.molae.cli.work.Meter;
import ai.molae.cli.work.Output;
import ai.molae.djl.data.ChatMessage;
import ai.molae.djl.data.ChatTemplate;
import ai.molae.djl.generate.Generation;
import ai.molae.djl.generate.GenerationConfig;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.torch.NativeMemory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code molae generate}: lets a checkpoint continue texts or answer. */
@Command(
        name = "generate",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Let a checkpoint continue texts, or answer with --chat. One text is written while it is made; several are made together and "
                    + "written one after the other.",
            "A text ends at an end-of-text token of generation_config.json or config.json."
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  molae generate OLMoE-1B-7B --prompt 'Once upon a time'",
            "  molae generate Qwen3-30B-A3B --chat --precision int8",
            "  molae generate Qwen3-30B-A3B --chat --system 'Be brief.' --prompt 'Why is the sky blue?' --temperature 0.7",
            "  molae generate my-model --tokenizer bytes --prompt 'public class ' --prompt 'import ' --greedy --logprobs 3"
        })
public final class GenerateCommand implements Callable<Integer> {

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Parameters(paramLabel = "DIR", description = "Folder of the checkpoint.")
    @SuppressWarnings("NullAway.Init") // required
    private Path folder;

    @ArgGroup(validate = false, heading = "%nWhat to continue or answer:%n", order = 1)
    private PromptOptions prompts = new PromptOptions();

    @ArgGroup(
            validate = false,
            heading = "%nHow to choose tokens (default: as generation_config.json says):%n",
            order = 2)
    private SamplingOptions sampling = new SamplingOptions();

    @ArgGroup(validate = false, heading = "%nHow to run the model, and output:%n", order = 3)
    private RunOptions run = new RunOptions();

    /** Made by picocli. */
    public GenerateCommand() {}

    @Override
    public Integer call() throws IOException {
        prompts.check();
        if (prompts.isConversation() && run.format == RunOptions.Format.JSON) {
            throw new IllegalArgumentException("a conversation is text; give --prompt, or leave --format json away");
        }
        try (Checkpoint checkpoint = Checkpoints.open(folder);
                ModelTokenizer tokenizer = ModelTokenizer.open(checkpoint, run.tokenizer);
                NativeMemory.Peak peak = NativeMemory.watchPeak();
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Sampling how = sampling.sampling(GenerationConfig.read(folder), endOfText(tokenizer));
            Generator.Builder generator = run.generator();
            Optional<ChatTemplate> template = template();
            List<String> texts = prompts.texts();
            long start = System.nanoTime();
            try (Interruption interruption = new Interruption()) {
                int loaded = interruption.guard(spec.commandLine().getErr(), () -> {
                    generator.setModel(loading(interruption).forInference(checkpoint, manager, run.precision));
                    return 0;
                });
                if (loaded != 0) {
                    return loaded;
                }
            }
            Statistics statistics = new Statistics((System.nanoTime() - start) * 1e-9, peak);
            Session session = new Session(tokenizer, template, prompts.system(), generator.build(), how, statistics);
            Results results = new Results(tokenizer);
            return prompts.isConversation()
                    ? converse(session, statistics, results)
                    : answer(session, texts, statistics, results);
        }
    }

    private static OptionalInt endOfText(ModelTokenizer tokenizer) {
        try {
            return OptionalInt.of(tokenizer.endOfText());
        } catch (IllegalArgumentException e) {
            return OptionalInt.empty();
        }
    }

    private Optional<ChatTemplate> template() throws IOException {
        if (!prompts.isChat()) {
            return Optional.empty();
        }
        Optional<ChatTemplate> template = ChatTemplate.load(folder);
        if (template.isEmpty()) {
            throw new IllegalArgumentException(folder
                    + " has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json), as base"
                    + " models have none; leave --chat away");
        }
        return template;
    }

    private Checkpoints.Loading loading(Interruption interruption) {
        return new Checkpoints.Loading(spec.commandLine().getErr(), run.quiet, interruption);
    }

    private int answer(Session session, List<String> texts, Statistics statistics, Results results) throws IOException {
        List<int[]> encoded = texts.stream().map(session::encode).toList();
        return interruptibly(statistics, interruption -> {
            if (texts.size() == 1 && run.format == RunOptions.Format.TEXT) {
                Generation generation = session.stream(encoded.get(0), this::print, interruption);
                print("\n" + results.logprobs(generation));
            } else {
                List<Generation> generations = session.complete(encoded, token -> {}, interruption);
                print(
                        run.format == RunOptions.Format.JSON
                                ? results.json(texts, generations, statistics)
                                : results.labelled(texts, generations));
            }
        });
    }

    private int converse(Session session, Statistics statistics, Results results) throws IOException {
        List<ChatMessage> messages = session.conversation();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = ask(input); line != null; line = ask(input)) {
            if (line.isBlank()) {
                continue;
            }
            messages.add(ChatMessage.user(line));
            StringBuilder answer = new StringBuilder();
            int exitCode = interruptibly(statistics, interruption -> {
                Generation generation = session.stream(
                        session.encode(messages),
                        piece -> {
                            answer.append(piece);
                            print(piece);
                        },
                        interruption);
                print("\n" + results.logprobs(generation));
            });
            if (exitCode != 0) {
                return exitCode;
            }
            messages.add(ChatMessage.assistant(answer.toString()));
        }
        return 0;
    }

    /** Lets the model write, not longer than that: while it waits for input, Ctrl-C has nothing to wait for. */
    private int interruptibly(Statistics statistics, Consumer<Interruption> writing) throws IOException {
        try (Interruption interruption = new Interruption()) {
            return interruption.guard(spec.commandLine().getErr(), () -> {
                writing.accept(interruption);
                tell(statistics);
                return 0;
            });
        }
    }

    private @Nullable String ask(BufferedReader input) throws IOException {
        if (Meter.isTerminal()) {
            PrintWriter err = spec.commandLine().getErr();
            err.print("> ");
            err.flush();
        }
        return input.readLine();
    }

    private void print(String text) {
        if (!text.isEmpty()) {
            Output.print(spec.commandLine(), text);
        }
    }

    private void tell(Statistics statistics) {
        if (!run.quiet) {
            PrintWriter err = spec.commandLine().getErr();
            err.println(statistics.line());
            err.flush();
        }
    }
}
