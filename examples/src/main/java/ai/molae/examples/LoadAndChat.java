package ai.molae.examples;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.data.ChatMessage;
import ai.molae.djl.data.ChatTemplate;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.data.StreamingDecoder;
import ai.molae.djl.generate.Generation;
import ai.molae.djl.generate.GenerationConfig;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.Telemetry;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Talks with a checkpoint: reads lines, writes each answer while the model makes it. A model without a chat template, as base models are, continues
 * what you write instead.
 *
 * <p>Arguments: FOLDER of a checkpoint with tokenizer.json [FLOAT32 | BFLOAT16 | FLOAT16 | INT8, how to store the weights, default BFLOAT16]
 */
public final class LoadAndChat {

    /** The most tokens of an answer. */
    private static final int LONGEST = 256;

    private final HfTokenizer tokenizer;
    private final Optional<ChatTemplate> template;
    private final Generator generator;
    private final int context;
    private final Sampling sampling;
    private final PrintStream out;
    private List<ChatMessage> conversation = List.of();

    private LoadAndChat(Path folder, HfTokenizer tokenizer, CausalLm model, PrintStream out) throws IOException {
        this.tokenizer = tokenizer;
        this.out = out;
        template = ChatTemplate.load(folder);
        generator = new Generator(model);
        context = model.spec().maxPositionEmbeddings();
        // What the model's makers recommend, and where it stops.
        sampling = GenerationConfig.read(folder)
                .sampling()
                .optMaxNewTokens(Math.min(LONGEST, context / 2))
                .build();
    }

    /** Runs the example. */
    public static void main(String[] args) throws IOException {
        Telemetry.optOut(); // before DJL starts
        if (args.length == 0) {
            System.out.println("Which checkpoint? Give the folder that has its config.json.");
            return;
        }
        Precision precision = Precision.valueOf(args.length > 1 ? args[1].toUpperCase(Locale.ROOT) : "BFLOAT16");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        run(Path.of(args[0]), precision, input, new PrintStream(System.out, true, StandardCharsets.UTF_8));
    }

    static void run(Path folder, Precision precision, BufferedReader input, PrintStream out) throws IOException {
        long start = System.nanoTime();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                HfTokenizer tokenizer = HfTokenizer.load(folder);
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            CausalLm model = checkpoint.loadForInference(manager, precision);
            out.printf("loaded %s in %.1f s", folder, seconds(start));
            NativeMemory.inUse().ifPresent(bytes -> out.printf(", %,d MB of native memory in use", bytes >> 20));
            LoadAndChat chat = new LoadAndChat(folder, tokenizer, model, out);
            out.println(
                    chat.template.isPresent()
                            ? "; say something, an empty line ends"
                            : "; it has no chat template, so it does not answer, but continues what you write; an empty line ends");
            chat.loop(input);
        }
    }

    private void loop(BufferedReader input) throws IOException {
        out.print("> ");
        for (String line = input.readLine(); line != null && !line.isBlank(); line = input.readLine()) {
            try {
                answer(line);
            } catch (IllegalArgumentException e) { // a line that is too long, or a conversation the template refuses
                out.println("cannot answer: " + e.getMessage());
            }
            out.print("> ");
        }
        out.println();
    }

    private void answer(String line) {
        List<ChatMessage> messages = new ArrayList<>(conversation);
        messages.add(ChatMessage.user(line));
        int[] prompt = template.isPresent() ? prompt(template.get(), messages) : tokenizer.encode(line, true);
        StreamingDecoder decoder = new StreamingDecoder(tokenizer, tokens -> tokenizer.decode(tokens, true));
        StringBuilder answer = new StringBuilder();
        long start = System.nanoTime();
        Generation generation = generator.complete(prompt, sampling, token -> print(decoder.add(token), answer));
        double seconds = seconds(start);
        print(decoder.end(), answer);
        messages.add(ChatMessage.assistant(answer.toString()));
        conversation = messages;
        int made = generation.tokens().length;
        out.printf(
                "%n[%d tokens after %d of the prompt, %.1f tokens/s, ended by %s]%n",
                made, prompt.length, made / seconds, generation.stopReason());
    }

    /** A conversation as the model wants it written. What was said first is forgotten when it leaves no room for an answer. */
    private int[] prompt(ChatTemplate template, List<ChatMessage> messages) {
        int[] prompt = tokenizer.encode(template.render(messages, true));
        while (prompt.length + sampling.maxNewTokens() > context && messages.size() > 2) {
            messages.subList(0, 2).clear(); // a question and its answer
            prompt = tokenizer.encode(template.render(messages, true));
        }
        return prompt;
    }

    private void print(String piece, StringBuilder answer) {
        answer.append(piece);
        out.print(piece);
        out.flush();
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) * 1e-9;
    }
}
