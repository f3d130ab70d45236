package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.Precision;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Fine-tunes a random model on random words, whose letters it learns within a few steps. */
class TrainCommandTest {

    private static final List<String> WORDS = List.of("expert", "latent", "router", "token", "gate");

    @TempDir
    private Path folder;

    private Path model;
    private Path text;

    @BeforeEach
    void write() throws IOException {
        model = TinyCheckpoint.write(folder.resolve("model"), TinyCheckpoint.spec(256));
        Files.writeString(model.resolve("generation_config.json"), "{\"eos_token_id\": 0}");
        Random random = new Random(1);
        StringBuilder words = new StringBuilder();
        while (words.length() < 4000) {
            words.append(WORDS.get(random.nextInt(WORDS.size()))).append(' ');
        }
        text = Files.writeString(folder.resolve("words.txt"), words);
    }

    private Path out() {
        return folder.resolve("out");
    }

    private Path trained() {
        return out().resolve("model");
    }

    private CommandRun train(String... options) {
        List<String> args = new ArrayList<>(
                List.of("train", "--from", model.toString(), "--text", text.toString(), "--out", out().toString()));
        args.addAll(List.of(options));
        addUnlessGiven(args, "--tokenizer", "bytes");
        addUnlessGiven(args, "--sequence", "32");
        return CommandRun.of(args.toArray(String[]::new));
    }

    private static void addUnlessGiven(List<String> args, String option, String value) {
        if (!args.contains(option)) {
            args.addAll(List.of(option, value));
        }
    }

    private static double[] beforeAndAfter(CommandRun run) {
        assertThat(run.exitCode()).as(run.err()).isZero();
        Matcher row =
                Pattern.compile("loss, nats per token +([0-9.]+) +([0-9.]+)").matcher(run.out());
        assertThat(row.find()).as(run.out()).isTrue();
        return new double[] {Double.parseDouble(row.group(1)), Double.parseDouble(row.group(2))};
    }

    private List<JsonObject> log() throws IOException {
        return Files.readAllLines(out().resolve("metrics.jsonl")).stream()
                .map(line -> JsonParser.parseString(line).getAsJsonObject())
                .toList();
    }

    /** The parameters that differ between two checkpoints, layer numbers left out. */
    private static Set<String> changed(Path before, Path after) throws IOException {
        Map<String, float[]> old = parameters(before);
        TreeSet<String> changed = new TreeSet<>();
        parameters(after).forEach((name, values) -> {
            if (!Arrays.equals(values, old.get(name))) {
                changed.add(name.replaceAll("layers\\.\\d+\\.", ""));
            }
        });
        return changed;
    }

    private static Map<String, float[]> parameters(Path folder) throws IOException {
        Map<String, float[]> values = new TreeMap<>();
        try (NDManager manager = NDManager.newBaseManager();
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            checkpoint
                    .load(manager, Precision.FLOAT32)
                    .parametersByPath()
                    .forEach((name, parameter) ->
                            values.put(name, parameter.getArray().toFloatArray()));
        }
        return values;
    }

    private List<String> filesBeside() throws IOException {
        return files(folder);
    }

    private static List<String> files(Path of) throws IOException {
        try (Stream<Path> files = Files.list(of)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    @Test
    void lowersTheLossAndSavesACheckpointOfTheSameLayout() throws IOException {
        CommandRun run = train("--steps", "30", "--lr", "0.01");

        double[] losses = beforeAndAfter(run);
        assertThat(losses[1]).isLessThan(losses[0] - 1);
        assertThat(run.out()).contains("parameters (full) on 3,").contains("Trained 30 steps, 3,840 tokens, ");
        assertThat(run.err()).contains("train step 30 of 30");
        assertThat(files(out()))
                .containsExactlyInAnyOrder(
                        "run.json", "metrics.jsonl", "report.html", "model", "checkpoints", "tensorboard");
        assertThat(out().resolve("report.html"))
                .content()
                .contains("Training: out")
                .contains("<svg");
        assertThat(files(out().resolve("tensorboard"))).isNotEmpty();
        assertThat(files(out().resolve("checkpoints"))).contains("step-0000000030");
        assertThat(trained().resolve("generation_config.json")).hasContent("{\"eos_token_id\": 0}");
        assertThat(filesBeside()).containsExactlyInAnyOrder("model", "words.txt", "out");
        List<JsonObject> log = log();
        assertThat(log.stream().filter(line -> line.has("loss"))).hasSize(30);
        assertThat(log.get(0).get("validation_loss").getAsDouble()).isBetween(losses[0] - 1e-4, losses[0] + 1e-4);
        assertThat(log.get(log.size() - 1).get("step").getAsInt()).isEqualTo(30);

        // The saved model predicts a text about as well as training said.
        CommandRun eval = CommandRun.of(
                "eval",
                trained().toString(),
                "--text",
                text.toString(),
                "--tokenizer",
                "bytes",
                "--sequence",
                "32",
                "--format",
                "json",
                "--quiet");
        assertThat(JsonParser.parseString(eval.out())
                        .getAsJsonObject()
                        .getAsJsonObject("prediction")
                        .get("loss")
                        .getAsDouble())
                .isBetween(losses[1] - 0.3, losses[1] + 0.3);
    }

    @ParameterizedTest
    @CsvSource({
        "experts, '[mlp.down, mlp.gate_up]'",
        "router, '[mlp.router]'",
        "lora --lora-rank 2 --lora-alpha 4 --lora-targets q_proj, '[self_attn.q_proj]'",
        "lora, '[mlp.down, mlp.gate_up, self_attn.k_proj, self_attn.o_proj, self_attn.q_proj, self_attn.v_proj]'",
    })
    void trainsOnlyWhatTheModeSays(String mode, String changed) throws IOException {
        CommandRun run = train(("--steps 2 --lr 0.01 --quiet --mode " + mode).split(" "));

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(changed(model, trained())).hasToString(changed);
    }

    @Test
    void givesTheSameModelForTheSameSeed() throws IOException {
        String[] options = {"--steps", "3", "--mode", "lora", "--quiet", "--lr", "0.01"};
        train(options);
        Path first = Files.move(out(), folder.resolve("first"));
        train(options);
        assertThat(changed(first.resolve("model"), trained())).isEmpty();
        Path second = Files.move(out(), folder.resolve("second"));
        List<String> other = new ArrayList<>(List.of(options));
        other.addAll(List.of("--seed", "2"));
        train(other.toArray(String[]::new));
        assertThat(changed(second.resolve("model"), trained())).isNotEmpty();
    }

    @Test
    void keepsTheElementTypeUnlessAskedForAnother() throws IOException {
        model = TinyCheckpoint.write(folder.resolve("bf16"), TinyCheckpoint.spec(256), TensorType.BF16);
        train("--steps", "1", "--precision", "bfloat16", "--quiet");
        assertThat(types(trained())).containsExactly(TensorType.BF16);
        Files.move(out(), folder.resolve("kept"));
        train("--steps", "1", "--dtype", "float32", "--quiet");
        assertThat(types(trained())).containsExactly(TensorType.F32);
    }

    private static Set<TensorType> types(Path folder) throws IOException {
        TreeSet<TensorType> types = new TreeSet<>();
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            checkpoint.tensors().tensors().values().forEach(tensor -> types.add(tensor.type()));
        }
        return types;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--steps 0                      | --steps must be at least 1, got 0",
                "--batch 0                      | --batch must be at least 1, got 0",
                "--batch 9999                   | --batch 9999 exceeds the",
                "--sequence 65                  | --sequence must be between 1 and 64, got 65",
                "--lr -1                        | --lr must be a positive number, got -1.0",
                "--warmup 101                   | --warmup must be between 0 and 100, got 101",
                "--validation-share 1           | --validation-share must be between 0 and 1, got 1.0",
                "--validation-share 0.001       | its validation part has 5 tokens",
                "--validation FILE --validation-share 0.1 | --validation takes the place of --validation-share",
                "--shards FILE                  | --shards takes the place of --text and --jsonl",
                "--preset tiny                  | give exactly one model, --from, --preset or --spec; got 2",
                "--tokens 0                     | --tokens must be at least 1, got 0",
                "--accumulate 0                 | --accumulate must be at least 1, got 0",
                "--schedule constant --lr-floor 0 | --lr-floor is the end of a schedule that falls",
                "--lr-floor 1                   | --lr-floor must be between 0 and --lr",
                "--decay-share 0.1              | --decay-share is for --schedule wsd, not for cosine",
                "--momentum 0.9                 | --momentum is not for --optimizer adamw",
                "--optimizer sgd --beta1 0.9    | --beta1 is not for --optimizer sgd",
                "--group router                 | --group must be a pattern, = and a number",
                "--group nothing.of.this=2      | nothing.of.this",
                "--router-warmup 101            | --router-warmup must be between 0 and 100, got 101",
                "--keep 0                       | --keep at least 1, got 0",
                "--recompute -1                 | --recompute must be at least 0, got -1",
                "--dropout 1                    | --dropout must be at least 0 and less than 1, got 1.0",
                "--top-k 2                      | --top-k is about the experts of --upcycle",
                "--upcycle 4 --latent 4         | --upcycle makes standard experts",
                "--upcycle 4 --expert-size 7    | the experts' width must divide the network's",
                "--aux-loss -1                  | auxLossCoef must be",
                "--jsonl /does/not/exist        | --jsonl /does/not/exist does not exist",
                "--tokenizer FILE               | is no folder with a tokenizer.json",
                "--precision int8               | INT8",
                "--mode everything              | everything",
                "--lora-rank 4                  | --lora-rank is for --mode lora, not for --mode full",
                "--mode lora --lora-rank 0      | the rank of LoRA must be at least 1, got 0",
                "--mode lora --lora-targets kv_b_proj | kv_b_proj",
                "--text /does/not/exist         | --text /does/not/exist does not exist",
            })
    void refusesWhatItCannotUseAndLeavesNothing(String options, String message) throws IOException {
        CommandRun run = train(options.replace("FILE", text.toString())
                .replaceAll(" +", " ")
                .strip()
                .split(" "));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).containsIgnoringCase(message);
        assertThat(filesBeside()).containsExactlyInAnyOrder("model", "words.txt");
    }

    /** This tokenizer puts a token before each text; it and the one at the end are trained on, and the tokenizer is saved with the model. */
    @Test
    void trainsOnTheTokensOfTheCheckpointsOwnTokenizer() throws IOException {
        Path source = Path.of("..", "molae-djl", "src", "test", "resources", "ai", "molae", "djl", "data");
        model = TinyCheckpoint.write(folder.resolve("model"), TinyCheckpoint.spec(320));
        for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
            Files.copy(source.resolve("byte-fallback").resolve(file), model.resolve(file));
        }
        int tokens;
        try (HfTokenizer tokenizer = HfTokenizer.load(model)) {
            tokens = tokenizer.encode(Files.readString(text)).length + 2;
        }

        CommandRun run = train("--tokenizer", "file", "--steps", "1", "--validation-share", "0.1");

        assertThat(run.exitCode()).as(run.err()).isZero();
        int held = (int) Math.ceil(tokens * 0.1);
        assertThat(run.out())
                .contains(String.format(Locale.ROOT, "on %,d tokens; %,d more to validate on", tokens - held, held));
        assertThat(trained().resolve("tokenizer.json")).hasSameTextualContentAs(model.resolve("tokenizer.json"));
    }

    @Test
    void overwritesNothing() throws IOException {
        Files.createDirectory(out());
        Files.writeString(out().resolve("config.json"), "of last week");

        CommandRun run = train("--steps", "1");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("exists and is not empty").contains("--out");
        assertThat(out().resolve("config.json")).hasContent("of last week");
    }

    @Test
    void saysWhereTrainingDivergedAndWritesTheReport() throws IOException {
        CommandRun run = train("--steps", "50", "--lr", "1e30", "--warmup", "0");

        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("training diverged at step").contains("the first tensor that is not finite is");
        assertThat(files(out()))
                .contains("run.json", "metrics.jsonl", "report.html")
                .doesNotContain("model");
    }
}
