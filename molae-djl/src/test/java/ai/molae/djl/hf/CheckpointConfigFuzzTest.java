package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import ai.molae.cost.CostModel;
import ai.molae.testing.Fuzz;
import ai.molae.testing.JsonMutations;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Golden configs with something broken: a model, or an {@link IllegalArgumentException} with a message, never anything else. */
class CheckpointConfigFuzzTest {

    private static final String SECTION =
            "{\"format\": 1, \"latent\": [{\"layers\": [1], \"latent_sizes\": {\"up\": 3}, \"tied_gate_up\": false, \"group_size\": 2}]}";

    private final SplittableRandom random = new SplittableRandom(2024);

    @Test
    @Timeout(120)
    void brokenConfigsAreModelsOrRefused() {
        int models = 0;
        for (int i = 0; i < 1000; i++) {
            String name = Golden.CASES.get(random.nextInt(Golden.CASES.size()));
            JsonObject json = Golden.tree(name);
            if (random.nextInt(5) == 0) {
                json = CheckpointConfig.parse(Golden.config(name, "molae = " + SECTION))
                        .json();
            }
            for (int k = random.nextInt(3); k >= 0; k--) {
                mutate(json);
            }
            String text = Golden.text(json);
            try {
                CheckpointConfig config = CheckpointConfig.parse(text);
                assertThat(config.spec().numLayers()).isPositive();
                assertThat(CheckpointConfig.parse(config.toJson()).spec()).isEqualTo(config.spec());
                models++;
            } catch (IllegalArgumentException e) {
                assertThat(e).as(text).hasMessageMatching("(?s).{10,}");
            } catch (RuntimeException e) {
                fail("mutation " + i + " of " + name + ": " + text, e);
            }
        }
        assertThat(models).isBetween(50, 950);
    }

    @Test
    @Timeout(60)
    void brokenTextsAreRefused() {
        for (int i = 0; i < 1000; i++) {
            StringBuilder text = new StringBuilder(Golden.config(pick(Golden.CASES)));
            for (int k = random.nextInt(3); k >= 0; k--) {
                int at = random.nextInt(text.length());
                switch (random.nextInt(3)) {
                    case 0 -> text.deleteCharAt(at);
                    case 1 -> text.insert(at, (char) random.nextInt(32, 127));
                    default -> text.setLength(Math.max(at, 1));
                }
            }
            try {
                assertThat(CheckpointConfig.parse(text.toString()).spec()).isNotNull();
            } catch (IllegalArgumentException e) {
                assertThat(e).hasMessageMatching("(?s).{10,}");
            } catch (RuntimeException e) {
                fail(text.toString(), e);
            }
        }
    }

    @Test
    @Timeout(20)
    void deepNestingAndHugeNumbersAreRefused() {
        for (String text : List.of(
                "[".repeat(100_000),
                "{\"a\":".repeat(100_000),
                "{\"model_type\": \"mixtral\", \"hidden_size\": 1e999999999}",
                "{\"model_type\": \"mixtral\", \"hidden_size\": 1e99999999999}",
                "{\"model_type\": \"mixtral\", \"num_hidden_layers\": 1e-999999999}",
                "{\"model_type\": \"molae\", \"molae\": "
                        + "{\"vocab_size\": 1, \"hidden_size\": 1, \"layers\": [{\"count\": 2147483647, \"dense\": "
                        + "{\"hidden_size\": 1, \"intermediate_size\": 1, \"hidden_act\": \"silu\", \"gated\": true}}]}}",
                "{\"model_type\": \"mixtral\", \"hidden_size\": NaN}",
                "",
                "null",
                "{} {}")) {
            try {
                CheckpointConfig.parse(text);
                fail("accepted " + text);
            } catch (IllegalArgumentException e) {
                assertThat(e).hasMessageMatching("(?s).{10,}");
            }
        }
    }

    /** Faults that no JSON library would write, such as a key twice, in the file of a folder. */
    @Test
    void filesWithFaultsOfEveryKindAreModelsOrRefused(@TempDir Path folder) {
        List<String> texts = new ArrayList<>();
        Golden.CASES.forEach(name -> texts.add(Golden.config(name)));
        texts.add(Golden.config("olmoe-a", "molae = " + SECTION));
        Fuzz.Tally tally = Fuzz.of("config.json", 1500)
                .naming(CheckpointConfig.FILE)
                .run(
                        numbers -> JsonMutations.mutate(texts.get(numbers.nextInt(texts.size())), numbers)
                                .getBytes(StandardCharsets.UTF_8),
                        bytes -> {
                            Files.write(folder.resolve(CheckpointConfig.FILE), bytes);
                            CheckpointConfig config = CheckpointConfig.read(folder);
                            assertThat(CostModel.model(config.spec()).parameters())
                                    .isPositive();
                            assertThat(CheckpointConfig.parse(config.toJson()).spec())
                                    .isEqualTo(config.spec());
                        });
        assertThat(Fuzz.isLong() || tally.worked() > 30).as("%s", tally).isTrue();
    }

    private void mutate(JsonObject root) {
        JsonObject json = root;
        List<String> nested = new ArrayList<>();
        root.asMap().forEach((key, value) -> {
            if (value.isJsonObject()) {
                nested.add(key);
            }
        });
        if (!nested.isEmpty() && random.nextInt(3) == 0) {
            json = root.getAsJsonObject(pick(nested));
        }
        if (json.size() == 0) {
            return;
        }
        List<String> keys = new ArrayList<>(json.keySet());
        String key = pick(keys);
        switch (random.nextInt(6)) {
            case 0 -> json.remove(key);
            case 1 -> json.add(
                    pick(List.of("x", key + "_", pick(keys), "num_experts", "rope_parameters")), json.remove(key));
            case 2 -> json.add(key, json.get(pick(keys)).deepCopy());
            case 3 -> json.add(key, nest(json.get(key)));
            default -> json.add(key, value());
        }
    }

    private JsonElement nest(JsonElement value) {
        if (random.nextBoolean()) {
            JsonArray array = new JsonArray();
            array.add(value);
            return array;
        }
        JsonObject object = new JsonObject();
        object.add(pick(List.of("value", "rope_type", "factor", "__float__")), value);
        return object;
    }

    private JsonElement value() {
        List<JsonElement> values = new ArrayList<>(List.of(
                JsonNull.INSTANCE,
                new JsonPrimitive(true),
                new JsonPrimitive(false),
                new JsonPrimitive(""),
                new JsonPrimitive("sliding_attention"),
                new JsonPrimitive("yarn"),
                new JsonArray(),
                new JsonObject(),
                new JsonPrimitive(new BigDecimal("1e999999999")),
                new JsonPrimitive(new BigDecimal("-1e400")),
                new JsonPrimitive(new BigDecimal("1e-400")),
                new JsonPrimitive(new BigDecimal("0.1")),
                new JsonPrimitive(new BigDecimal("1.5"))));
        for (int number :
                new int[] {0, 1, 2, 3, 4, 7, 8, 64, 4096, -1, 10_000, 1 << 28, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            values.add(new JsonPrimitive(number));
        }
        values.add(new JsonPrimitive(Long.MAX_VALUE));
        return pick(values);
    }

    private <T> T pick(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }
}
