package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.training.ParameterStore;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EvalCommandTest {

    /** 30 characters, of which three have two bytes and two have three: 37 bytes. */
    private static final String TEXT = "Größe: 3 € für € and for words";

    private static final int VOCABULARY = 260;

    @TempDir
    private Path folder;

    private final NDManager owner = NDManager.newBaseManager();
    private CausalLm loaded;
    private Path text;

    @AfterEach
    void close() {
        owner.close();
    }

    @BeforeEach
    void write() throws IOException {
        TinyCheckpoint.write(folder.resolve("model"), TinyCheckpoint.spec(VOCABULARY));
        text = Files.writeString(folder.resolve("text.txt"), TEXT);
    }

    private CommandRun eval(String... options) {
        return CommandRun.of(Stream.concat(
                        Stream.of(
                                "eval",
                                folder.resolve("model").toString(),
                                "--text",
                                text.toString(),
                                "--tokenizer",
                                "bytes"),
                        Stream.of(options))
                .toArray(String[]::new));
    }

    @Test
    void aModelWithoutNumbersIsAFailure() throws IOException {
        CausalLm model;
        try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("model"))) {
            model = checkpoint.load(owner, Precision.FLOAT32);
        }
        model.parametersByPath().get("norm").getArray().set(new NDIndex(0), Float.NaN);
        CheckpointSaver.of(model).save(folder.resolve("model"));

        CommandRun run = eval();

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("the loss is NaN");
    }

    private JsonObject prediction(String... options) {
        CommandRun run = eval(Stream.concat(Stream.of("--format", "json", "--quiet"), Stream.of(options))
                .toArray(String[]::new));
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).isEmpty();
        return JsonParser.parseString(run.out()).getAsJsonObject().getAsJsonObject("prediction");
    }

    private static double loss(JsonObject prediction) {
        return prediction.get("loss").getAsDouble();
    }

    /** The cross-entropy of each token but the first, in double, of a model that reads so many tokens at once. */
    private double[] nats(List<Integer> stream, int sequence) throws IOException {
        return nats(stream, sequence, VOCABULARY);
    }

    private double[] nats(List<Integer> stream, int sequence, int vocabulary) throws IOException {
        double[] nats = new double[stream.size()];
        CausalLm model = model();
        try (NDManager manager = NDManager.newBaseManager()) {
            for (int begin = 0; begin < stream.size() - 1; begin += sequence) {
                int end = Math.min(begin + sequence, stream.size() - 1);
                long[] read = stream.subList(begin, end).stream()
                        .mapToLong(Integer::longValue)
                        .toArray();
                float[] logits = model.forward(
                                new ParameterStore(manager, false),
                                new NDList(manager.create(read).expandDims(0)),
                                false)
                        .singletonOrThrow()
                        .toFloatArray();
                for (int i = 0; i < read.length; i++) {
                    nats[begin + i + 1] = crossEntropy(logits, i * vocabulary, vocabulary, stream.get(begin + i + 1));
                }
            }
        }
        return nats;
    }

    private CausalLm model() throws IOException {
        if (loaded == null) {
            try (Checkpoint checkpoint = Checkpoint.open(folder.resolve("model"))) {
                loaded = checkpoint.load(owner, Precision.FLOAT32);
            }
        }
        return loaded;
    }

    private static double crossEntropy(float[] logits, int first, int vocabulary, int label) {
        double normaliser = 0;
        for (int i = 0; i < vocabulary; i++) {
            normaliser += Math.exp(logits[first + i]);
        }
        return Math.log(normaliser) - logits[first + label];
    }

    private double expected(List<Integer> stream, int sequence) throws IOException {
        return Arrays.stream(nats(stream, sequence)).sum() / (stream.size() - 1);
    }

    private static List<Integer> stream(String text) {
        List<Integer> stream = new ArrayList<>(List.of(0));
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            stream.add(Byte.toUnsignedInt(b));
        }
        return stream;
    }

    @ParameterizedTest
    @CsvSource({"64, 1", "10, 1", "10, 3", "7, 2"})
    void theLossIsTheMeanCrossEntropyWhateverTheWindows(int sequence, int batch) throws IOException {
        JsonObject found = prediction("--sequence", "" + sequence, "--batch", "" + batch);

        double expected = expected(stream(TEXT), sequence);
        assertThat(loss(found)).isCloseTo(expected, within(1e-5));
        assertThat(found.get("tokens").getAsInt()).isEqualTo(37);
        assertThat(found.get("bytes").getAsInt()).isEqualTo(37);
        assertThat(found.get("perplexity").getAsDouble()).isCloseTo(Math.exp(expected), within(1e-2));
        assertThat(found.get("bits_per_byte").getAsDouble()).isCloseTo(expected / Math.log(2), within(1e-5));
    }

    /** With a stride of 1 every window but the first scores one token, with all its tokens before it. */
    @Test
    void overlappingWindowsScoreEveryTokenOnceWithMoreBeforeIt() throws IOException {
        List<Integer> stream = stream(TEXT);
        double sum = 0;
        for (int position = 1; position < stream.size(); position++) {
            List<Integer> window = stream.subList(Math.max(0, position - 8), position + 1);
            sum += nats(window, 64)[window.size() - 1];
        }

        JsonObject found = prediction("--sequence", "8", "--stride", "1", "--batch", "5");

        assertThat(found.get("tokens").getAsInt()).isEqualTo(37);
        assertThat(loss(found)).isCloseTo(sum / 37, within(1e-5));
    }

    /** Each document is read after an end-of-text token, which is not scored. */
    @Test
    void documentsFollowEachOtherAndOnlyTheirTextIsScored() throws IOException {
        Path other = Files.writeString(folder.resolve("other.txt"), "abc");
        List<Integer> both = stream(TEXT);
        both.addAll(stream("abc"));
        double[] nats = nats(both, 64);
        nats[38] = 0;

        JsonObject found = prediction("--text", other.toString());

        assertThat(found.get("tokens").getAsInt()).isEqualTo(40);
        assertThat(found.get("bytes").getAsInt()).isEqualTo(40);
        assertThat(loss(found)).isCloseTo(Arrays.stream(nats).sum() / 40, within(1e-5));
    }

    /** Five bytes would end within the ß, so that only the four before it are scored. */
    @Test
    void theLimitCutsTextBetweenCharacters() throws IOException {
        JsonObject five = prediction("--limit", "5");

        assertThat(five.get("tokens").getAsInt()).isEqualTo(4);
        assertThat(five.get("bytes").getAsInt()).isEqualTo(4);
        assertThat(loss(five)).isCloseTo(expected(stream("Grö"), 64), within(1e-5));
        assertThat(prediction("--limit", "6").get("tokens").getAsInt()).isEqualTo(6);
        assertThat(prediction("--limit", "1000").get("tokens").getAsInt()).isEqualTo(37);
    }

    /** A text begins after what its tokenizer puts before it, or else after an end-of-text token. */
    @ParameterizedTest
    @CsvSource({"byte-level, 275", "byte-fallback, 1"})
    void scoresTheTokensOfTheCheckpointsOwnTokenizer(String name, int first) throws IOException {
        Path source = Path.of("..", "molae-djl", "src", "test", "resources", "ai", "molae", "djl", "data", name);
        Path model = TinyCheckpoint.write(folder.resolve("model"), TinyCheckpoint.spec(320));
        for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
            Files.copy(source.resolve(file), model.resolve(file));
        }
        String words = "hello world, the world \u65e5";
        Files.writeString(text, words);
        List<Integer> stream = new ArrayList<>(List.of(first));
        try (HfTokenizer tokenizer = HfTokenizer.load(model)) {
            Arrays.stream(tokenizer.encode(words)).forEach(stream::add);
        }

        CommandRun run =
                CommandRun.of("eval", model.toString(), "--text", text.toString(), "--format", "json", "--quiet");

        assertThat(run.exitCode()).as(run.err()).isZero();
        JsonObject found = JsonParser.parseString(run.out()).getAsJsonObject().getAsJsonObject("prediction");
        int scored = stream.size() - 1;
        double loss = Arrays.stream(nats(stream, 64, 320)).sum() / scored;
        assertThat(found.get("tokens").getAsInt()).isEqualTo(scored);
        assertThat(found.get("bytes").getAsInt()).isEqualTo(26);
        assertThat(loss(found)).isCloseTo(loss, within(1e-5));
        assertThat(found.get("bits_per_byte").getAsDouble()).isCloseTo(loss * scored / 26 / Math.log(2), within(1e-5));
    }

    @Test
    void theLimitAlsoCutsLongDocuments() throws IOException {
        Files.writeString(text, TEXT.repeat(1000));

        assertThat(prediction("--limit", "370").get("bytes").getAsInt()).isEqualTo(370);
        assertThat(prediction("--limit", "5001", "--batch", "64").get("bytes").getAsInt())
                .isBetween(4999, 5001);
    }

    @Test
    void packedWeightsPredictAlmostTheSame() {
        double exact = loss(prediction());
        for (String precision : List.of("bfloat16", "float16", "int8")) {
            assertThat(loss(prediction("--precision", precision)))
                    .as(precision)
                    .isCloseTo(exact, within(0.05))
                    .isNotEqualTo(exact);
        }
    }

    @Test
    void tellsTheLoadOfEachMoeLayerAndItsSpeed() {
        CommandRun run = eval("--sequence", "4");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("Prediction", "bits per byte", "Load of the experts")
                .containsPattern("layer +experts +most loaded");
        assertThat(run.lines()).anyMatch(line -> line.matches(" +1 +4 .*"));
        assertThat(run.lines()).anyMatch(line -> line.matches(" +2 +4 .*"));
        assertThat(run.err()).contains("scoring 100 %: loss ").containsPattern("scored 37 tokens in .* tokens/s");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--sequence 65             | --sequence must be between 1 and 64, got 65",
                "--stride 65               | --stride must be between 1 and 64, got 65",
                "--sequence 8 --stride 9   | --stride must be between 1 and 8, got 9",
                "--limit 0                 | --limit must be at least 1, got 0",
                "--batch 0                 | --batch must be at least 1, got 0",
                "--precision float8        | float8",
                "--text /does/not/exist    | --text /does/not/exist does not exist",
            })
    void refusesWhatItCannotUse(String options, String message) {
        CommandRun run = eval(options.split(" "));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(message);
        assertThat(run.out()).isEmpty();
    }

    @Test
    void needsATextAndATokenizer() throws IOException {
        String model = folder.resolve("model").toString();

        CommandRun noText = CommandRun.of("eval", model);
        assertThat(noText.exitCode()).isEqualTo(2);
        assertThat(noText.err()).contains("name a text with --text");

        CommandRun noTokenizer = CommandRun.of("eval", model, "--text", text.toString());
        assertThat(noTokenizer.exitCode()).isEqualTo(2);
        assertThat(noTokenizer.err()).contains("has no tokenizer.json").contains("--tokenizer bytes");

        TinyCheckpoint.write(folder.resolve("small"), TinyCheckpoint.spec(100));
        CommandRun tooSmall = CommandRun.of(
                "eval", folder.resolve("small").toString(), "--text", text.toString(), "--tokenizer", "bytes");
        assertThat(tooSmall.exitCode()).isEqualTo(2);
        assertThat(tooSmall.err()).contains("at least 256 tokens, the model has 100");
    }

    @Test
    void tellsWhereTheModelOfARunIs() {
        CommandRun run = CommandRun.of("eval", folder.toString(), "--tokenizer", "bytes", "--text", text.toString());
        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err())
                .contains(folder + " has no config.json; it is the folder of a run, whose model is "
                        + folder.resolve("model"));
    }

    @Test
    void refusesATextWithoutText() throws IOException {
        Files.writeString(text, "");

        CommandRun run = eval();

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("has no text: 1 empty files");
    }
}
