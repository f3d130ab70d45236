package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.data.ChatMessage;
import ai.molae.djl.data.ChatTemplate;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ModelSpec;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A random model writes nonsense, but always the same. */
class GenerateCommandTest {

    private static final Path TOKENIZERS =
            Path.of("..", "molae-djl", "src", "test", "resources", "ai", "molae", "djl", "data");
    private static final int END = 275;

    private static final NDManager MANAGER = NDManager.newBaseManager();

    @TempDir
    private static Path original;

    private static HfTokenizer tokenizer;
    private static CausalLm shared;

    @TempDir
    private Path folder;

    private CausalLm model = shared;

    @BeforeAll
    static void write() throws IOException {
        TinyCheckpoint.write(original, TinyCheckpoint.spec(280));
        for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
            Files.copy(TOKENIZERS.resolve("byte-level").resolve(file), original.resolve(file));
        }
        tokenizer = HfTokenizer.load(original);
        shared = load(original);
    }

    private static CausalLm load(Path folder) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            return checkpoint.loadForInference(MANAGER, Precision.FLOAT32);
        }
    }

    @AfterAll
    static void close() {
        tokenizer.close();
        MANAGER.close();
    }

    @BeforeEach
    void copy() throws IOException {
        try (Stream<Path> files = Files.list(original)) {
            for (Path file : files.toList()) {
                Files.copy(file, folder.resolve(file.getFileName()));
            }
        }
    }

    private CommandRun generate(String... options) {
        return CommandRun.of(
                Stream.concat(Stream.of("generate", folder.toString(), "--precision", "float32"), Stream.of(options))
                        .toArray(String[]::new));
    }

    private static CommandRun ok(CommandRun run) {
        assertThat(run.exitCode()).as(run.err()).isZero();
        return run;
    }

    private String continued(String prompt, int tokens) {
        return text(new Generator(model).generate(tokenizer.encode(prompt, true), sampling(tokens)));
    }

    private static Sampling sampling(int tokens) {
        return Sampling.builder()
                .optTemperature(0)
                .optMaxNewTokens(tokens)
                .optStopTokens(Set.of(END))
                .build();
    }

    /** Ids from 277 on stand for nothing. */
    private String text(int[] tokens) {
        StringBuilder text = new StringBuilder();
        List<Integer> known = new ArrayList<>();
        for (int token : tokens) {
            if (token < tokenizer.vocabSize()) {
                known.add(token);
            } else {
                text.append(visible(known)).append('\uFFFD');
                known.clear();
            }
        }
        return text.append(visible(known)).toString();
    }

    private String visible(List<Integer> tokens) {
        return tokenizer.decode(tokens.stream().mapToInt(i -> i).toArray(), true);
    }

    @Test
    void continuesAPromptAndTellsHowFastItWas() {
        CommandRun run = ok(generate("--prompt", "hello world", "--max-new-tokens", "20"));

        assertThat(run.out()).isEqualTo(continued("hello world", 20) + "\n");
        assertThat(run.err())
                .containsPattern("loaded in .* s; 2 prompt tokens at .* tokens/s, first token after .* s; 20 new tokens"
                        + " at .* tokens/s");
    }

    @Test
    void readsPromptsFromFilesAndStandardInput() throws IOException {
        Path file = Files.writeString(folder.resolve("prompt.txt"), "the world\n");

        CommandRun fromFile = ok(generate("--prompt-file", file.toString(), "--max-new-tokens", "5", "--quiet"));
        CommandRun fromInput = ok(withInput("the world\n", "--prompt", "-", "--max-new-tokens", "5", "--quiet"));

        assertThat(fromFile.out()).isEqualTo(continued("the world", 5) + "\n");
        assertThat(fromInput.out()).isEqualTo(fromFile.out());
        assertThat(fromFile.err() + fromInput.err()).isEmpty();
    }

    private CommandRun withInput(String input, String... options) {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        try {
            return generate(options);
        } finally {
            System.setIn(before);
        }
    }

    @Test
    void continuesSeveralPromptsTogetherAsItWouldEachAlone() {
        CommandRun run = ok(generate(
                "--prompt", "hello", "--prompt", "the\n world of 日", "--prompt", "", "--max-new-tokens", "12"));

        assertThat(run.out())
                .isEqualTo("--- 1: hello ---\n" + continued("hello", 12) + "\n\n--- 2: the world of 日 ---\n"
                        + continued("the\n world of 日", 12) + "\n\n--- 3:  ---\n"
                        + text(new Generator(model).generate(new int[] {END}, sampling(12))) + "\n");
    }

    @Test
    void writesJsonWithTheProbabilityOfEachToken() {
        JsonObject json = json(ok(generate(
                "--prompt",
                "hello",
                "--prompt",
                "world",
                "--format",
                "json",
                "--logprobs",
                "2",
                "--max-new-tokens",
                "4",
                "--greedy")));

        JsonArray outputs = json.getAsJsonArray("outputs");
        assertThat(outputs).hasSize(2);
        for (JsonElement element : outputs) {
            JsonObject output = element.getAsJsonObject();
            assertThat(output.get("text").getAsString())
                    .isEqualTo(continued(output.get("prompt").getAsString(), 4));
            assertThat(output.get("stop_reason").getAsString()).isEqualTo("max_new_tokens");
            JsonArray tokens = output.getAsJsonArray("tokens");
            JsonArray logprobs = output.getAsJsonArray("logprobs");
            assertThat(tokens).hasSize(4);
            assertThat(logprobs).hasSize(4);
            for (int i = 0; i < 4; i++) {
                JsonObject choice = logprobs.get(i).getAsJsonObject();
                JsonObject best = choice.getAsJsonArray("top").get(0).getAsJsonObject();
                assertThat(choice.get("token")).isEqualTo(tokens.get(i)).isEqualTo(best.get("token"));
                assertThat(choice.get("logprob").getAsDouble())
                        .isNegative()
                        .isEqualTo(best.get("logprob").getAsDouble());
                assertThat(choice.getAsJsonArray("top")).hasSize(2);
            }
        }
        assertThat(json.getAsJsonObject("statistics").get("new_tokens").getAsInt())
                .isEqualTo(8);
    }

    private static JsonObject json(CommandRun run) {
        return JsonParser.parseString(run.out()).getAsJsonObject();
    }

    @Test
    void printsATableOfProbabilities() {
        CommandRun run = ok(generate("--prompt", "hello", "--logprobs", "3", "--max-new-tokens", "2"));

        assertThat(run.out())
                .startsWith(continued("hello", 2) + "\n\nTokens\n")
                .containsPattern("token +id +logprob +probability +most probable");
        assertThat(run.lines().stream().filter(line -> line.matches("  \".*\" +\\d+ +-\\d.*%  \".*")))
                .hasSize(2);
    }

    @Test
    void endsAtAnyEndOfTextTokenOfTheCheckpoint() throws IOException {
        int[] tokens = new Generator(model).generate(tokenizer.encode("hello"), sampling(10));
        int third = tokens[2];
        int first = 0;
        while (tokens[first] != third) {
            first++;
        }
        Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\": [279, " + third + "]}");

        JsonObject output = json(ok(generate("--prompt", "hello", "--format", "json")))
                .getAsJsonArray("outputs")
                .get(0)
                .getAsJsonObject();

        assertThat(output.get("stop_reason").getAsString()).isEqualTo("stop_token");
        assertThat(output.getAsJsonArray("tokens")).hasSize(first);
    }

    @Test
    void drawsAsTheCheckpointSaysUnlessToldOtherwise() throws IOException {
        String[] hello = {"--prompt", "hello", "--max-new-tokens", "15", "--quiet"};
        String greedy = ok(generate(hello)).out();
        Files.writeString(
                folder.resolve("generation_config.json"),
                "{\"do_sample\": true, \"temperature\": 1.5, \"max_new_tokens\": 7, \"eos_token_id\": 275}");
        String drawn = ok(generate(hello)).out();

        assertThat(drawn).isNotEqualTo(greedy).isEqualTo(ok(generate(hello)).out());
        assertThat(ok(generate(with(hello, "--seed", "1"))).out()).isNotEqualTo(drawn);
        assertThat(ok(generate(with(hello, "--greedy"))).out()).isEqualTo(greedy);
        assertThat(ok(generate(with(hello, "--top-k", "1"))).out()).isEqualTo(greedy);
        assertThat(ok(generate(with(hello, "--top-p", "0.0001"))).out()).isEqualTo(greedy);
        assertThat(ok(generate(with(hello, "--min-p", "1"))).out()).isEqualTo(greedy);
        assertThat(ok(generate(with(hello, "--temperature", "0"))).out()).isEqualTo(greedy);
        assertThat(ok(generate(with(hello, "--greedy", "--repetition-penalty", "3")))
                        .out())
                .isNotEqualTo(greedy);
        assertThat(json(ok(generate("--prompt", "hello", "--format", "json")))
                        .getAsJsonObject("statistics")
                        .get("new_tokens")
                        .getAsInt())
                .isEqualTo(7);
    }

    private static String[] with(String[] options, String... more) {
        return Stream.concat(Stream.of(options), Stream.of(more)).toArray(String[]::new);
    }

    @ParameterizedTest
    @ValueSource(strings = {"bfloat16", "int8"})
    void runsInEveryPrecisionAndInChunks(String precision) {
        CommandRun run = CommandRun.of(
                "generate",
                folder.toString(),
                "--precision",
                precision,
                "--prompt",
                "hello world",
                "--prefill-chunk",
                "1",
                "--max-new-tokens",
                "3",
                "--format",
                "json");

        assertThat(json(ok(run))
                        .getAsJsonObject("statistics")
                        .get("prompt_tokens")
                        .getAsInt())
                .isEqualTo(2);
    }

    private void writeTemplate() throws IOException {
        Files.copy(TOKENIZERS.resolve("chat").resolve("chatml.jinja"), folder.resolve("chat_template.jinja"));
    }

    private String answered(ChatMessage... messages) throws IOException {
        String rendered = ChatTemplate.load(folder).orElseThrow().render(List.of(messages), true);
        return text(new Generator(model).generate(tokenizer.encode(rendered), sampling(6)));
    }

    @Test
    void answersAsTheChatTemplateSays() throws IOException {
        writeTemplate();

        CommandRun run = ok(generate(
                "--chat", "--system", "be", "--prompt", "hi", "--prompt", "yo", "--max-new-tokens", "6", "--quiet"));

        assertThat(run.out())
                .isEqualTo("--- 1: hi ---\n" + answered(ChatMessage.system("be"), ChatMessage.user("hi"))
                        + "\n\n--- 2: yo ---\n" + answered(ChatMessage.system("be"), ChatMessage.user("yo")) + "\n");
    }

    @Test
    void remembersTheConversationUntilTheInputEnds() throws IOException {
        ModelSpec longer = TinyCheckpoint.spec(280, 512);
        TinyCheckpoint.write(folder, longer);
        model = load(folder);
        writeTemplate();

        CommandRun run = ok(withInput("hello\n\nworld", "--chat", "--max-new-tokens", "6"));

        String first = answered(ChatMessage.user("hello"));
        String second = answered(ChatMessage.user("hello"), ChatMessage.assistant(first), ChatMessage.user("world"));
        assertThat(run.out()).isEqualTo(first + "\n" + second + "\n");
        String whole = ChatTemplate.load(folder)
                .orElseThrow()
                .render(
                        List.of(ChatMessage.user("hello"), ChatMessage.assistant(first), ChatMessage.user("world")),
                        true);
        assertThat(run.err().lines().toList().get(1)).contains(tokenizer.encode(whole).length + " prompt tokens");
    }

    @Test
    void readsBytesWhenAskedTo() throws IOException {
        Files.delete(folder.resolve("tokenizer.json"));

        CommandRun without = generate("--prompt", "hello");
        assertThat(without.exitCode()).isEqualTo(2);
        assertThat(without.err()).contains("has no tokenizer.json").contains("--tokenizer bytes");

        JsonObject json = json(
                ok(generate("--prompt", "hello", "--tokenizer", "bytes", "--max-new-tokens", "9", "--format", "json")));
        assertThat(json.getAsJsonObject("statistics").get("prompt_tokens").getAsInt())
                .isEqualTo(5);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--quiet                                  | there is nothing to continue",
                "--system x --prompt a                    | --system is part of a conversation; add --chat",
                "--chat --prompt a                        | has no chat template",
                "--chat --format json                     | a conversation is text",
                "--prompt - --prompt -                    | --prompt - reads all of standard input; give it once",
                "--prompt-file /does/not/exist            | --prompt-file /does/not/exist does not exist",
                "--prompt a --greedy --top-k 4            | --greedy draws nothing, which --top-k would",
                "--prompt a --temperature -1              | temperature must be finite and at least 0, got -1.0",
                "--prompt a --top-p 2                     | topP must be in (0, 1], got 2.0",
                "--prompt a --max-new-tokens 0            | maxNewTokens must be at least 1, got 0",
                "--prompt a --prefill-chunk 0             | --prefill-chunk must be at least 1, got 0",
                "--prompt a --logprobs -1                 | --logprobs must be between 0 and 1000, got -1",
                "--prompt a --precision float8            | float8",
            })
    void refusesWhatItCannotUse(String options, String message) {
        CommandRun run = generate(options.strip().split(" "));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(message);
        assertThat(run.out()).isEmpty();
    }

    @Test
    void refusesAPromptThatFillsTheModel() {
        CommandRun run = generate("--prompt", "1234567890".repeat(7));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("the prompt has 70 tokens").contains("maxPositionEmbeddings = 64");
    }

    /** What Ctrl-C does, with SIGTERM, which a test can send. */
    @Test
    void endsCleanlyWhenInterrupted() throws IOException, InterruptedException {
        Path endless = TinyCheckpoint.write(folder.resolve("endless"), TinyCheckpoint.spec(256, 100_000));
        Files.writeString(endless.resolve("generation_config.json"), "{\"eos_token_id\": 99999}");

        InterruptedRun run = InterruptedRun.of(
                "",
                "generate",
                endless.toString(),
                "--tokenizer",
                "bytes",
                "--prompt",
                "hello",
                "--temperature",
                "1",
                "--max-new-tokens",
                "90000");

        assertThat(run.exitCode()).isNotZero();
        assertThat(run.output()).contains("\nmolae: the generation was interrupted");
    }

    @Test
    void probabilitiesAreThoseOfTheModel() {
        JsonArray top = json(ok(generate(
                        "--prompt", "hello", "--max-new-tokens", "1", "--logprobs", "280", "--format", "json")))
                .getAsJsonArray("outputs")
                .get(0)
                .getAsJsonObject()
                .getAsJsonArray("logprobs")
                .get(0)
                .getAsJsonObject()
                .getAsJsonArray("top");

        double sum = 0;
        for (JsonElement element : top) {
            sum += Math.exp(element.getAsJsonObject().get("logprob").getAsDouble());
        }
        assertThat(top).hasSize(280);
        assertThat(sum).isCloseTo(1, within(1e-6));
    }
}
