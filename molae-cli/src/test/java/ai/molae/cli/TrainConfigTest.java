package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.json.SpecJson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine.Model.OptionSpec;

/** Options in a file: {@code --config}, and the {@code run.json} of a run. */
class TrainConfigTest {

    @TempDir
    private Path folder;

    private Path text;

    @BeforeEach
    void write() throws IOException {
        text = Files.writeString(folder.resolve("text.txt"), "a b c d e f g h ".repeat(60));
    }

    private Path out() {
        return folder.resolve("out");
    }

    private CommandRun train(String config, String... options) throws IOException {
        Path file = Files.writeString(folder.resolve("config.json"), config);
        List<String> args = new ArrayList<>(List.of("train", "--config", file.toString()));
        args.addAll(List.of(options));
        return CommandRun.of(args.toArray(String[]::new));
    }

    /** A file with a model and data, and more options. */
    private String config(String more) {
        return "{\"spec\": " + SpecJson.toJson(TinyCheckpoint.spec(256)) + ", \"text\": \"" + text
                + "\", \"sequence\": 16, \"validation-share\": 0" + more + "}";
    }

    private static JsonObject settings(Path run) throws IOException {
        return JsonParser.parseString(Files.readString(run.resolve("run.json"))).getAsJsonObject();
    }

    @Test
    void takesOptionsFromAFileAndFlagsWinOverIt() throws IOException {
        CommandRun run = train(
                config(
                        ", \"steps\": 50, \"batch\": 2, \"lr\": 1e-2, \"no-tensorboard\": true, \"schedule\": \"linear\","
                                + " \"group\": [\"embed_tokens=0.5\", \"**.router=2\"], \"quiet\": true"),
                "--out",
                out().toString(),
                "--steps",
                "3",
                "--json-key",
                "body");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.out()).contains("Trained 3 steps, 96 tokens");
        assertThat(out().resolve("tensorboard")).doesNotExist();
        JsonObject settings = settings(out());
        assertThat(settings.keySet())
                .containsExactlyInAnyOrder(
                        "spec",
                        "text",
                        "sequence",
                        "validation-share",
                        "steps",
                        "batch",
                        "lr",
                        "no-tensorboard",
                        "schedule",
                        "group",
                        "json-key");
        assertThat(settings.get("steps").getAsInt()).isEqualTo(3);
        assertThat(settings.get("spec").getAsJsonObject().get("hidden_size").getAsInt())
                .isEqualTo(16);
        assertThat(settings.getAsJsonArray("group")).hasToString("[\"embed_tokens=0.5\",\"**.router=2\"]");
    }

    /** Given between two texts, an option of their group must not get lost; relative paths become absolute. */
    @Test
    void keepsEveryTextAndTheOptionsBetween() throws IOException {
        Path spec = Files.writeString(folder.resolve("spec.json"), SpecJson.toJson(TinyCheckpoint.spec(256)));
        Path relative = Path.of("").toAbsolutePath().relativize(text.toAbsolutePath());

        CommandRun run = CommandRun.ofLine("train --spec " + spec + " --text " + text
                + " --sequence 16 --validation-share 0.5 --text " + relative + " --steps 1 --batch 1 --out " + out());

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).contains("on 961 tokens; 961 more to validate on");
        JsonObject settings = settings(out());
        assertThat(settings.getAsJsonArray("text")).hasToString("[\"" + text + "\",\"" + text + "\"]");
        assertThat(settings.get("sequence").getAsInt()).isEqualTo(16);
    }

    /** A list on the command line takes the place of the file's; nothing is added to it, and nothing is there twice. */
    @Test
    void aListOfFlagsWinsOverTheFilesList() throws IOException {
        Path other = Files.writeString(folder.resolve("other.txt"), "1 2 3 4 5 6 7 8 ".repeat(60));

        CommandRun run = train(
                config(", \"steps\": 1, \"batch\": 1"),
                "--text",
                other.toString(),
                "--text",
                other.toString(),
                "--out",
                out().toString());

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).contains("on 1,922 tokens;");
        assertThat(settings(out()).getAsJsonArray("text")).hasToString("[\"" + other + "\",\"" + other + "\"]");
    }

    /** What a run wrote is a configuration for another run, which is the same. */
    @Test
    void aRunsOwnFileMakesTheSameRunAgain() throws IOException {
        train(
                config(", \"steps\": 2, \"batch\": 2, \"latent\": 4, \"tied\": true, \"seed\": 9"),
                "--out",
                out().toString());
        Path again = folder.resolve("again");

        CommandRun run =
                CommandRun.of("train", "--config", out().resolve("run.json").toString(), "--out", again.toString());

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(again.resolve("run.json")).hasSameTextualContentAs(out().resolve("run.json"));
        assertThat(again.resolve("model/model.safetensors"))
                .hasSameBinaryContentAs(out().resolve("model/model.safetensors"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'{\"batches\": 2}'                | unknown key batches in",
                "'{\"config\": \"x\"}'             | unknown key config in",
                "'{\"steps\": \"many\"}'           | 'many' is not a long",
                "'{\"steps\": true}'               | 'true' is not a long",
                "'{\"steps\": [1, 2]}'             | steps in",
                "'{\"steps\": null}'               | is null; leave the key out for the default",
                "'{\"quiet\": \"yes\"}'            | quiet in",
                "'{\"optimizer\": \"adam\"}'       | adam",
                "'{\"steps\": 1, \"steps\": 2}'    | steps",
                "'[1]'                             | cannot be read",
                "'{\"steps\": 1'                   | cannot be read",
            })
    void refusesWhatIsWrongInAFileWithItsNameAndTheKey(String json, String message) throws IOException {
        CommandRun run = train(json, "--out", out().toString());

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("config.json").contains(message);
        assertThat(out()).doesNotExist();
    }

    @Test
    void refusesAFileThatIsNotThereAndARunWithoutAFolder() throws IOException {
        CommandRun missing = CommandRun.ofLine("train --config nowhere.json --out " + out());
        assertThat(missing.exitCode()).isEqualTo(2);
        assertThat(missing.err()).contains("nowhere.json does not exist");

        CommandRun without = train(config(""));
        assertThat(without.exitCode()).isEqualTo(2);
        assertThat(without.err()).contains("--out is missing");
    }

    @Test
    void theDocumentationHasEveryOptionAndAnExampleThatTrains() throws IOException {
        String page = Files.readString(Path.of("..", "docs", "training.md"));
        TreeSet<String> missing = new TreeSet<>();
        for (OptionSpec option : Main.commandLine()
                .getSubcommands()
                .get("train")
                .getCommandSpec()
                .options()) {
            String name = option.longestName();
            if (!page.contains("`" + name)
                    && !List.of("--help", "--version", "--stacktrace").contains(name)) {
                missing.add(name);
            }
        }
        assertThat(missing).isEmpty();

        Matcher example = Pattern.compile("```json\\n(\\{.*?\"preset\".*?})\\n```", Pattern.DOTALL)
                .matcher(page);
        assertThat(example.find()).isTrue();
        CommandRun run = train(
                example.group(1).replaceAll("\"text\": \\[[^]]*]", "\"text\": [\"" + text + "\"]"),
                "--out",
                out().toString(),
                "--preset",
                "tiny",
                "--steps",
                "1",
                "--tokens",
                "100000",
                "--sequence",
                "16",
                "--batch",
                "1",
                "--warmup",
                "0",
                "--router-warmup",
                "0",
                "--validation-share",
                "0");
        assertThat(run.exitCode()).as(run.err()).isZero();
    }
}
