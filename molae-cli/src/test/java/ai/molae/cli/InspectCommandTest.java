package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.ModelCost;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InspectCommandTest {

    private static final ModelSpec SPEC = TinyCheckpoint.spec(260);

    @TempDir
    private Path folder;

    private static JsonObject json(CommandRun run) {
        assertThat(run.exitCode()).as(run.err()).isZero();
        return JsonParser.parseString(run.out()).getAsJsonObject();
    }

    private static JsonObject row(JsonArray rows, String column, String name) {
        for (JsonElement row : rows) {
            if (row.getAsJsonObject().get(column).getAsString().strip().equals(name)) {
                return row.getAsJsonObject();
            }
        }
        throw new AssertionError("no " + name + " among " + rows);
    }

    private CommandRun inspect(String... options) {
        return CommandRun.of(Stream.concat(Stream.of("inspect", folder.toString()), Stream.of(options))
                .toArray(String[]::new));
    }

    @Test
    void tellsWhatTheModelIsAndWhereItsParametersLie() throws IOException {
        TinyCheckpoint.write(folder, SPEC);

        CommandRun run = inspect();

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("MoE layers             2")
                .contains("4 of width 8, 2 for each token")
                .contains("dense feed-forward     width 24")
                .contains("model.safetensors");
        assertThat(run.lines()).anyMatch(line -> line.matches("  routed experts +3,072 .* F32"));
        assertThat(run.lines()).anyMatch(line -> line.matches("  router +128 .*"));
    }

    @Test
    void partsAddUpToTheCostModelsTotals() throws IOException {
        TinyCheckpoint.write(folder, SPEC);
        ModelCost cost = CostModel.model(SPEC);

        JsonObject json = json(inspect("--format", "json", "--context", "10"));

        JsonArray parts = json.getAsJsonArray("parameters");
        cost.parametersByPart().forEach((part, count) -> {
            String name = part.name()
                    .toLowerCase(java.util.Locale.ROOT)
                    .replace('_', ' ')
                    .replace("feed f", "feed-f");
            if (count > 0) {
                JsonObject row = row(parts, "part", name);
                assertThat(row.get("parameters").getAsLong()).as(name).isEqualTo(count);
                assertThat(row.get("bytes_in_the_files").getAsLong()).isEqualTo(4 * count);
                assertThat(row.get("share").getAsDouble()).isCloseTo((double) count / cost.parameters(), within(1e-12));
            }
        });
        assertThat(row(parts, "part", "total").get("parameters").getAsLong()).isEqualTo(cost.parameters());
        assertThat(row(parts, "part", "active per token").get("parameters").getAsDouble())
                .isEqualTo(cost.activeParameters());
        assertThat(row(json.getAsJsonArray("computation_per_token"), "work", "forward, attending 10 positions")
                        .get("flops")
                        .getAsDouble())
                .isEqualTo(cost.forwardFlops(10));
        JsonArray memory = json.getAsJsonArray("memory");
        assertThat(row(memory, "bytes", "key/value cache per token")
                        .get("bfloat16")
                        .getAsLong())
                .isEqualTo(cost.kvCacheBytesPerToken(ElementType.BFLOAT16));
        assertThat(row(memory, "bytes", "training step").get("int8").isJsonNull())
                .isTrue();
    }

    @Test
    void countsBytesAndTypesAsTheyStandInSeveralFiles() throws IOException {
        TinyCheckpoint.write(folder, SPEC, TensorType.BF16);

        JsonObject json = json(inspect("--format", "json"));

        long total = CostModel.model(SPEC).parameters();
        JsonObject all = row(json.getAsJsonArray("parameters"), "part", "total");
        assertThat(all.get("bytes_in_the_files").getAsLong()).isEqualTo(2 * total);
        assertThat(all.get("types").getAsString()).isEqualTo("BF16");
        JsonArray files = json.getAsJsonArray("files");
        assertThat(files.size()).isGreaterThan(2);
        assertThat(row(files, "file", "total").get("bytes").getAsLong()).isEqualTo(2 * total);
    }

    @Test
    void tellsHowMolaeExpertsAreFactored() throws IOException {
        LatentSpec latent =
                LatentSpec.builder().setLatentSize(6).setGroupSize(2).build();
        TinyCheckpoint.write(folder, SPEC.mapMoe(moe -> moe.withLatent(latent)));

        CommandRun run = inspect();

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).contains("latent sizes gate 6, up 6, down 6; 2 groups of 2");
    }

    @Test
    void writesCsvAndMarkdown() throws IOException {
        TinyCheckpoint.write(folder, SPEC);

        assertThat(inspect("--format", "csv").lines())
                .startsWith("table,row,column,value")
                .contains("Parameters,router,parameters,128")
                .allMatch(line -> line.split(",", -1).length >= 4);
        assertThat(inspect("--format", "markdown").out()).contains("## Parameters\n\n| part | parameters |");
    }

    @Test
    void tellsTheLoadOfTheExpertsOnAText() throws IOException {
        TinyCheckpoint.write(folder, SPEC);
        Path text = Files.writeString(folder.resolve("text.txt"), "some words for the experts ".repeat(10));

        JsonObject json = json(inspect(
                "--text",
                text.toString(),
                "--tokenizer",
                "bytes",
                "--precision",
                "int8",
                "--format",
                "json",
                "--batch",
                "3"));

        JsonArray load = json.getAsJsonArray("load_of_the_experts");
        assertThat(load).hasSize(2);
        for (JsonElement element : load) {
            JsonObject layer = element.getAsJsonObject();
            assertThat(layer.get("layer").getAsInt()).isBetween(1, 2);
            assertThat(layer.get("experts").getAsInt()).isEqualTo(4);
            assertThat(layer.get("most_share").getAsDouble()).isBetween(0.25, 0.5);
            assertThat(layer.get("least_share").getAsDouble()).isBetween(0.0, 0.25);
            assertThat(layer.get("max_mean").getAsDouble())
                    .isCloseTo(4 * layer.get("most_share").getAsDouble(), within(1e-12));
            assertThat(layer.get("entropy").getAsDouble()).isBetween(0.5, 1.0);
        }
        assertThat(json.getAsJsonArray("notes").toString()).contains("270 tokens");
    }

    @Test
    void refusesTensorsThatAreNotTheModels() throws IOException {
        TinyCheckpoint.write(folder, SPEC);
        Path config = folder.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace("\"vocab_size\": 260", "\"vocab_size\": 261"));

        CommandRun run = inspect();

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err())
                .contains("the tensors are not those of the model")
                .contains("model.embed_tokens.weight is [260, 16], the config says [261, 16]");
    }

    @Test
    void refusesWhatIsNoCheckpoint() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "text");
        Path damaged = Files.createDirectory(folder.resolve("damaged"));
        TinyCheckpoint.write(damaged, SPEC);
        Files.writeString(damaged.resolve("model.safetensors"), "not tensors");
        for (List<String> wrong : List.of(
                List.of(folder.resolve("absent").toString(), "absent does not exist"),
                List.of(file.toString(), "is a file"),
                List.of(folder.toString(), "has no config.json"),
                List.of(damaged.toString(), "is this a safetensors file?"))) {
            CommandRun run = CommandRun.of("inspect", wrong.get(0));

            assertThat(run.exitCode()).as(wrong.get(1)).isEqualTo(2);
            assertThat(run.err()).contains(wrong.get(1));
            assertThat(run.out()).isEmpty();
        }
    }

    @Test
    void refusesOptionsOfATextWithoutOne() throws IOException {
        TinyCheckpoint.write(folder, SPEC);

        CommandRun run = inspect("--limit", "3");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("--limit says how to read a text; add --text");
        assertThat(inspect("--context", "65").err()).contains("--context must be between 1 and 64, got 65");
    }
}
