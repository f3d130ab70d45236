package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Runs the whole command on a text of random words, which two layers learn to spell within seconds. */
class QuickstartCommandTest {

    private static final List<String> WORDS = List.of("expert", "latent", "router", "token", "gate", "group", "matrix");

    @TempDir
    private Path folder;

    private Path text;

    @BeforeEach
    void writeText() throws IOException {
        text = Files.createDirectory(folder.resolve("text"));
        Random random = new Random(1);
        for (int i = 0; i < 20; i++) {
            StringBuilder words = new StringBuilder();
            while (words.length() < 2000) {
                words.append(WORDS.get(random.nextInt(WORDS.size()))).append(' ');
            }
            Files.writeString(text.resolve("words" + i + ".txt"), words);
        }
    }

    private Path report() {
        return folder.resolve("report");
    }

    private CommandRun quickstart(Path report, String... flags) {
        List<String> args = new ArrayList<>(
                List.of("quickstart", "--preset", "tiny", "--text", text.toString(), "--out", report.toString()));
        args.addAll(List.of(flags));
        return CommandRun.of(args.toArray(String[]::new));
    }

    private static JsonObject json(Path report) throws IOException {
        return JsonParser.parseString(Files.readString(report.resolve("report.json")))
                .getAsJsonObject();
    }

    private static List<Double> losses(JsonObject report, int model) {
        List<Double> losses = new ArrayList<>();
        for (JsonElement step :
                report.getAsJsonArray("models").get(model).getAsJsonObject().getAsJsonArray("steps")) {
            losses.add(step.getAsJsonObject().get("loss").getAsDouble());
        }
        return losses;
    }

    private static double compared(JsonObject report, String row, String model) {
        return report.getAsJsonObject("comparison")
                .getAsJsonObject(row)
                .get(model)
                .getAsDouble();
    }

    @Test
    void trainsBothModelsFarBelowTheUnigramEntropyAndReportsThem() throws IOException {
        CommandRun run = quickstart(report(), "--steps", "120", "--sequence", "64");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .contains(
                        "routed-expert parameters                                   98,304           61,440      0.625")
                .contains("training tokens/s (measured)")
                .contains("MoLAE has 37.5 % fewer routed-expert parameters")
                .contains("--- MoLAE continues ---");
        assertThat(run.err()).contains("MoE step 120 of 120").contains("MoLAE step 120 of 120");
        JsonObject report = json(report());
        double unigram = report.get("unigram_entropy_nats").getAsDouble();
        assertThat(unigram).isBetween(2.0, 3.0);
        for (String model : List.of("moe", "molae")) {
            assertThat(compared(report, "validation_loss_nats", model)).isLessThan(0.6 * unigram);
            assertThat(compared(report, "bits_per_byte", model))
                    .isCloseTo(compared(report, "validation_loss_nats", model) / Math.log(2), within(1e-12));
            assertThat(compared(report, "training_tokens_per_second", model)).isPositive();
            assertThat(compared(report, "decoding_tokens_per_second", model)).isPositive();
        }
        assertThat(losses(report, 0)).hasSize(120);
        assertThat(Files.readString(report().resolve("report.md")))
                .contains("| routed-expert parameters | 98,304 | 61,440 | 0.625 |")
                .contains("![Loss curves](loss.png)")
                .contains("| seed | 1 |");
        assertThat(ImageIO.read(report().resolve("loss.png").toFile()).getWidth())
                .isEqualTo(1000);
        assertThat(filesBeside()).containsExactlyInAnyOrder("text", "report");
    }

    @Test
    void givesTheSameLossesForTheSameSeedAndOthersForAnother() throws IOException {
        String[] flags = {"--steps", "5", "--sequence", "32", "--precision", "bfloat16"};
        quickstart(folder.resolve("a"), flags);
        quickstart(folder.resolve("b"), flags);
        quickstart(
                folder.resolve("c"),
                Stream.concat(Stream.of(flags), Stream.of("--seed", "2")).toArray(String[]::new));

        for (int model = 0; model < 2; model++) {
            List<Double> losses = losses(json(folder.resolve("a")), model);
            assertThat(losses).hasSize(5);
            assertThat(losses(json(folder.resolve("b")), model)).isEqualTo(losses);
            assertThat(losses(json(folder.resolve("c")), model)).isNotEqualTo(losses);
        }
    }

    @Test
    void factorsTheExpertsAsTheFlagsSay() throws IOException {
        CommandRun run = quickstart(
                report(),
                "--steps",
                "1",
                "--sequence",
                "16",
                "--latent",
                "8",
                "--group-size",
                "4",
                "--factored",
                "up,down");

        assertThat(run.exitCode()).as(run.err()).isZero();
        // Two layers: a dense gate 8·32·64, and for up and for down 2·8·64 shared + 8·32·8 of the experts.
        assertThat(compared(json(report()), "routed_expert_parameters", "molae"))
                .isEqualTo(2 * (8 * 32 * 64 + 2 * (2 * 8 * 64 + 8 * 32 * 8)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--steps 0                 | --steps must be at least 1, got 0",
                "--batch -1                | --batch must be at least 1, got -1",
                "--sequence 2000           | --sequence must be between 1 and 1024, got 2000",
                "--lr -1                   | --lr must be a positive number, got -1.0",
                "--lr NaN                  | --lr must be a positive number, got NaN",
                "--group-size 9            | --group-size must be between 1 and 8, got 9",
                "--latent 0                | --latent must be at least 1, got 0",
                "--tied --factored up      | --tied shares one projection between gate and up",
                "--factored sideways       | sideways",
                "--precision float16       | float16",
                "--preset huge             | huge",
                "--batch 100000000         | --batch 100000000 exceeds the",
                "--text /does/not/exist    | --text /does/not/exist does not exist",
            })
    void refusesWhatItCannotUseBeforeAnythingIsWritten(String flags, String message) throws IOException {
        CommandRun run = quickstart(report(), flags.split(" "));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(message);
        assertThat(filesBeside()).containsExactly("text");
    }

    @Test
    void refusesATextWithoutText() throws IOException {
        Path empty = Files.createFile(folder.resolve("empty.txt"));

        CommandRun run = CommandRun.of("quickstart", "--text", empty.toString(), "--out", report().toString());

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("has no text: 1 empty files");
        assertThat(report()).doesNotExist();
    }

    @Test
    void refusesATextShorterThanAWindow() throws IOException {
        Path brief = Files.writeString(folder.resolve("brief.txt"), "too short");

        CommandRun run = CommandRun.of("quickstart", "--text", brief.toString(), "--out", report().toString());

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("too short").contains("one window needs 257");
        assertThat(report()).doesNotExist();
    }

    @Test
    void overwritesNoReport() throws IOException {
        Files.createDirectory(report());
        Files.writeString(report().resolve("report.md"), "of last week");

        CommandRun run = quickstart(report());

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("exists and is not empty").contains("--out");
        assertThat(Files.readString(report().resolve("report.md"))).isEqualTo("of last week");
        assertThat(filesBeside()).containsExactlyInAnyOrder("text", "report");
    }

    @Test
    void findsThatAFolderCannotBeWrittenBeforeItTrains() throws IOException {
        Path file = Files.createFile(folder.resolve("file"));

        CommandRun run = quickstart(file.resolve("report"));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("cannot write a report folder").contains("--out");
        assertThat(run.out()).isEmpty();
    }

    /** What Ctrl-C does, with SIGTERM, which a test can send: a real process is interrupted in the middle of training. */
    @Test
    void writesWhatItHasWhenInterrupted() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Dai.djl.offline=true",
                        "-Dmolae.cache=" + System.getProperty("molae.cache", "target/molae-cache"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Main.class.getName(),
                        "quickstart",
                        "--preset",
                        "tiny",
                        "--steps",
                        "1000000",
                        "--sequence",
                        "16",
                        "--batch",
                        "1",
                        "--text",
                        text.toString(),
                        "--out",
                        report().toString())
                .redirectErrorStream(true)
                .start();
        StringBuilder output = new StringBuilder();
        try (BufferedReader reader =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            String line = reader.readLine();
            while (line != null) {
                output.append(line).append('\n');
                if (line.startsWith("Text:")) {
                    process.toHandle().destroy();
                }
                line = reader.readLine();
            }
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly();
        }

        assertThat(process.exitValue()).as(output.toString()).isNotZero();
        assertThat(output)
                .contains("No comparison: MoE stopped after")
                .contains("report.md")
                .doesNotContain("NaN");
        assertThat(ImageIO.read(report().resolve("loss.png").toFile())).isNotNull();
        assertThat(json(report()).getAsJsonObject("comparison").size()).isZero();
        assertThat(losses(json(report()), 0)).hasSizeLessThan(1_000_000);
        assertThat(json(report()).getAsJsonArray("models")).hasSize(1);
        assertThat(filesBeside()).containsExactlyInAnyOrder("text", "report");
    }

    private List<String> filesBeside() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }
}
