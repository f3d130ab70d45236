package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.spec.ModelPresets;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The numbers of {@code molae plan}; those of the presets are counted from the checkpoints' shapes. */
class PlanCommandTest {

    private static final String QWEN3_LAYER = "--hidden 2048 --intermediate 768 --experts 128 --top-k 8";
    private static final String PREFIXES = "kMGTPE";

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "Mixtral-8x7B      |  46,702,792,704",
                "Qwen1.5-MoE-A2.7B |  14,315,784,192",
                "Qwen3-30B-A3B     |  30,532,122,624",
                "OLMoE-1B-7B       |   6,919,161,856",
                "DeepSeek-V2-Lite  |  15,706,484,224",
                "DeepSeek-V3       | 671,026,419,200",
                "Moonlight-16B-A3B |  15,960,110,208",
            })
    void printsTheTotalOfAPreset(String preset, String total) {
        CommandRun run = CommandRun.of("plan", "--preset", preset);

        assertThat(run.exitCode()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.lines()).anyMatch(line -> line.matches("  total +" + total + " .*"));
    }

    @Test
    void comparesAMolaePresetWithItsStandardForm() {
        JsonObject routed = row(json("--preset Paper-MoLAE"), "Parameters", "routed experts");

        assertThat(routed.get("moe").getAsLong()).isEqualTo(150_994_944L);
        assertThat(routed.get("molae").getAsLong()).isEqualTo(94_371_840L);
        assertThat(routed.get("ratio").getAsDouble()).isEqualTo(0.625);
    }

    @Test
    void factorsAStandardPresetAsTheFlagsSay() {
        JsonObject plan = json("--preset Paper-MoE --latent 256 --group-size 8");

        assertThat(row(plan, "Parameters", "routed experts").get("molae").getAsLong())
                .isEqualTo(94_371_840L);
    }

    @Test
    void keepsWhatTheFlagsLeaveOpenOfAMolaePreset() {
        JsonObject subject = json("--preset Paper-MoLAE --tied")
                .getAsJsonArray("subjects")
                .get(0)
                .getAsJsonObject();

        assertThat(subject.get("groupSize").getAsInt()).isEqualTo(8);
        assertThat(subject.getAsJsonObject("latentSizes").get("gate").getAsInt())
                .isEqualTo(256);
        assertThat(subject.get("tiedGateUp").getAsBoolean()).isTrue();
    }

    /** MoE/MoLAE = 24·n / (3·n + 24·m) = 2.00 with k = N and r = m. */
    @Test
    void halvesTheRoutedFlopsOfAQwen3Layer() {
        JsonObject plan = json(QWEN3_LAYER);

        JsonObject flops = row(plan, "FLOPs per token", "routed experts");
        assertThat(flops.get("moe").getAsLong()).isEqualTo(6L * 8 * 768 * 2048);
        assertThat(flops.get("moe").getAsDouble() / flops.get("molae").getAsDouble())
                .isEqualTo(2.00);
        assertThat(CommandRun.ofLine("plan " + QWEN3_LAYER).lines())
                .anyMatch(line -> line.matches("    routed experts +75\\.50 MFLOP +37\\.75 MFLOP +0\\.500"));
        assertThat(row(plan, "FLOPs per token", "backward while training")
                        .get("moe")
                        .getAsLong())
                .isEqualTo(2 * (6L * 8 * 768 * 2048 + 2 * 2048 * 128));
    }

    /** n = 8, m = 4, N = 4, K = 2, two layers; r = 2, two groups of two. */
    @Test
    void countsATinyShapeAsByHand() {
        JsonObject plan = json("--hidden 8 --intermediate 4 --experts 4 --top-k 2 --layers 2 --latent 2 --group-size 2"
                + " --precision float32 --tokens 3 --batch 1");

        // A [4, 2] of 4 experts, B [2, 8] of 2 groups; router [4, 8].
        assertNumbers(row(plan, "Parameters", "gate"), 2 * 4 * 4 * 8, 2 * (4 * 4 * 2 + 2 * 2 * 8));
        assertNumbers(row(plan, "Parameters", "total"), 2 * (3 * 128 + 32), 2 * (3 * 64 + 32));
        assertNumbers(row(plan, "Parameters", "router"), 2 * 32, 2 * 32);
        assertNumbers(row(plan, "Training memory", "weights"), 4 * 832, 4 * 448);
        assertNumbers(row(plan, "Training memory", "AdamW state"), 8 * 832, 8 * 448);
        assertNumbers(row(plan, "Expert-parallel elements per token", "to the experts"), 2 * 2 * 8, 2 * 2 * 4);
        assertNumbers(row(plan, "Expert-parallel elements per token", "back"), 2 * 2 * 8, 2 * 2 * 2);
        assertThat(row(plan, "Parameters", "of these shared projections")
                        .get("molae")
                        .getAsLong())
                .isEqualTo(2 * 3 * 2 * 16);
        // E[D] = 2 (1 − C(2,2)/C(4,2)) = 5/3; r < N·m·n / (G·n + N·m) = 128/32; r < K·m·n / (D·n + K·m) = 64/(64/3).
        assertThat(row(plan, "Uniform routing", "distinct groups of a token")
                        .get("molae")
                        .getAsDouble())
                .isEqualTo(5.0 / 3, within(1e-12));
        assertThat(row(plan, "Latent size", "break-even in parameters")
                        .get("molae")
                        .getAsDouble())
                .isEqualTo(4.0, within(1e-12));
        assertThat(row(plan, "Latent size", "break-even in FLOPs").get("molae").getAsDouble())
                .isEqualTo(3.0, within(1e-12));
        assertThat(row(plan, "Uniform routing", "groups").get("moe").isJsonNull())
                .isTrue();
    }

    /** Gate and up: 2·N·m·r + G·r·n against 2·N·m·n; with down at the same r: r < 3·N·m·n / (2·G·n + 3·N·m). */
    @Test
    void countsOneProjectionOfTiedGateAndUp() {
        JsonObject plan = json("--hidden 8 --intermediate 4 --experts 4 --top-k 2 --latent 2 --tied");

        assertNumbers(row(plan, "Parameters", "gate"), 128, 32);
        assertNumbers(row(plan, "Parameters", "up"), 128, 32 + 16);
        assertThat(row(plan, "Latent size", "break-even in parameters")
                        .get("molae")
                        .getAsDouble())
                .isEqualTo(3.0 * 128 / (2 * 8 + 3 * 16), within(1e-12));
    }

    @Test
    void leavesOperatorsDenseThatAreNotFactored() {
        JsonObject plan = json(QWEN3_LAYER + " --factored gate,up");

        assertThat(row(plan, "Parameters", "down").get("ratio").getAsDouble()).isEqualTo(1);
        assertThat(row(plan, "Parameters", "gate").get("ratio").getAsDouble()).isLessThan(1);
    }

    @Test
    void ungatedExpertsHaveNoGate() {
        JsonObject plan = json(QWEN3_LAYER + " --ungated --shared 2");

        assertThat(names(plan, "Parameters")).doesNotContain("gate").contains("up", "down");
        assertNumbers(row(plan, "Parameters", "shared experts"), 2L * 2 * 768 * 2048, 2L * 2 * 768 * 2048);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--preset DeepSeek-V2-Lite --group-size 8 --latent 300 --batch 4 --peak-gflops 400 --bandwidth-gbs 20",
                "--preset Mixtral-8x7B --scaling-law --train-tokens 3e11",
                "--preset Paper-MoLAE --precision int8 --context 700",
                QWEN3_LAYER + " --layers 48 --precision float32",
                "--latent 100 --factored gate,up --tied",
            })
    void writesTheSameNumbersInAllFormats(String flags) {
        JsonArray rows = json(flags).getAsJsonArray("rows");
        List<String> csv = CommandRun.ofLine("plan --format csv " + flags).lines();
        List<String[]> text = textRows(CommandRun.ofLine("plan " + flags));

        assertThat(csv.get(0)).isEqualTo("subject,section,name,unit,moe,molae,ratio");
        assertThat(csv).hasSize(rows.size() + 1);
        assertThat(text).hasSize(rows.size());
        for (int i = 0; i < rows.size(); i++) {
            JsonObject row = rows.get(i).getAsJsonObject();
            String[] cells = csv.get(i + 1).split(",", -1);
            assertThat(cells)
                    .containsExactly(
                            string(row, "subject"),
                            string(row, "section"),
                            string(row, "name"),
                            string(row, "unit"),
                            string(row, "moe"),
                            string(row, "molae"),
                            string(row, "ratio"));
            assertThat(text.get(i)[0]).isIn(string(row, "name"), string(row, "subject"));
            assertReadsAs(text.get(i)[1], row.get("moe"));
            assertReadsAs(text.get(i)[2], row.get("molae"));
            assertReadsAs(text.get(i)[3], row.get("ratio"));
        }
    }

    @Test
    void listsEveryPresetWhenNothingIsNamed() {
        CommandRun run = CommandRun.of("plan");

        assertThat(run.exitCode()).isZero();
        for (String preset : ModelPresets.names()) {
            assertThat(run.lines().stream().filter(line -> line.startsWith("  " + preset + " ")))
                    .as(preset)
                    .hasSize(5);
        }
        assertThat(run.lines()).anyMatch(line -> line.matches("  Mixtral-8x7B +46,702,792,704 .*"));
    }

    /** r = m = 14,336 on n = 4,096: break-even at N·m·n/(n + N·m) = 3954.8 and K·m·n/(n + K·m) = 3584. */
    @Test
    void saysWhenFactoringDoesNotPay() {
        CommandRun run = CommandRun.of("plan", "--preset", "mixtral-8x7b");

        assertThat(run.out())
                .contains("Mixtral-8x7B: factoring does not pay")
                .contains("below r = 3954.8")
                .contains("below r = 3584.0")
                .contains("r is 14336");
    }

    @Test
    void saysNothingWhenFactoringPays() {
        assertThat(CommandRun.ofLine("plan --preset Mixtral-8x7B --latent 3583").out())
                .doesNotContain("does not pay");
        assertThat(CommandRun.ofLine("plan --preset Mixtral-8x7B --latent 3584").out())
                .contains("does not pay; MoLAE has 1.000 times the forward FLOPs of");
    }

    @Test
    void keepsTheSentencesOutOfCsv() {
        CommandRun run = CommandRun.ofLine("plan --preset Mixtral-8x7B --format csv");

        assertThat(run.out()).doesNotContain("does not pay");
        assertThat(run.err()).contains("does not pay");
    }

    /** 20 GB/s; decoding is held by memory, so the floor is bytes / 2e10. */
    @Test
    void addsTimesOnlyWhenTheMachineIsGiven() {
        JsonObject plan = json("--preset OLMoE-1B-7B --peak-gflops 400 --bandwidth-gbs 20");

        double bytesRead = row(plan, "Decoding step", "bytes read").get("moe").getAsDouble();
        assertThat(row(plan, "Time floor", "decoding step").get("moe").getAsDouble())
                .isEqualTo(bytesRead / 2e10, within(1e-12));
        double flops = row(plan, "FLOPs per token", "training").get("moe").getAsDouble();
        assertThat(row(plan, "Time floor", "training step").get("moe").getAsDouble())
                .isEqualTo(2048 * flops / 4e11, within(1e-9));
        assertThat(plan.getAsJsonArray("notes").get(1).getAsString())
                .isEqualTo("The decoding step is held by memory bandwidth as MoE and by memory bandwidth as MoLAE.");
        assertThat(names(json("--preset OLMoE-1B-7B"), "Time floor")).isEmpty();
    }

    @Test
    void printsEveryWarningOfTheScalingLaw() {
        CommandRun run = CommandRun.ofLine("plan --preset Qwen3-30B-A3B --scaling-law --train-tokens 3e11");

        assertThat(run.lines()).anyMatch(line -> line.matches("  predicted loss +\\d\\.\\d{4} +\\d\\.\\d{4} .*"));
        assertThat(run.out())
                .contains("Scaling law, MoE: 128 experts; the law was fitted up to 32.")
                .contains("Scaling law, MoE: top-k is 8;")
                .contains("Scaling law, MoLAE: MoLAE is not covered by the law;")
                .contains("Scaling law, MoE: other data or tokenizer;");
    }

    @Test
    void countsNoTrainingMemoryOfInt8() {
        CommandRun run = CommandRun.ofLine("plan --preset OLMoE-1B-7B --precision int8");

        assertThat(run.out())
                .contains("int8 weights cannot be trained")
                .doesNotContain("AdamW")
                .containsPattern("  weights +6\\.919 GB");
    }

    @Test
    void notesAContextLongerThanTheModels() {
        assertThat(CommandRun.ofLine("plan --preset OLMoE-1B-7B --context 4097").out())
                .contains("The context of 4,097 positions exceeds the model's 4,096.");
        assertThat(CommandRun.ofLine("plan --preset OLMoE-1B-7B --context 4096").out())
                .doesNotContain("exceeds");
    }

    private static JsonObject json(String flags) {
        CommandRun run = CommandRun.ofLine("plan --format json " + flags);
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).isEmpty();
        return JsonParser.parseString(run.out()).getAsJsonObject();
    }

    private static JsonObject row(JsonObject plan, String section, String name) {
        for (JsonElement element : plan.getAsJsonArray("rows")) {
            JsonObject row = element.getAsJsonObject();
            if (string(row, "section").equals(section) && string(row, "name").equals(name)) {
                return row;
            }
        }
        throw new AssertionError("no row " + section + ": " + name);
    }

    private static List<String> names(JsonObject plan, String section) {
        List<String> names = new ArrayList<>();
        for (JsonElement row : plan.getAsJsonArray("rows")) {
            if (string(row.getAsJsonObject(), "section").equals(section)) {
                names.add(string(row.getAsJsonObject(), "name"));
            }
        }
        return names;
    }

    private static void assertNumbers(JsonObject row, long moe, long molae) {
        assertThat(row.get("moe").getAsString()).isEqualTo(String.valueOf(moe));
        assertThat(row.get("molae").getAsString()).isEqualTo(String.valueOf(molae));
    }

    private static String string(JsonObject row, String key) {
        return row.get(key).isJsonNull() ? "" : row.get(key).getAsString();
    }

    /** Label, MoE, MoLAE and ratio of every table row: indented lines whose columns two blanks part. */
    private static List<String[]> textRows(CommandRun run) {
        return run.lines().stream()
                .filter(line -> line.startsWith("  "))
                .map(line -> line.strip().split(" {2,}", -1))
                .filter(cells -> cells.length == 4)
                .toList();
    }

    /** The printed number is the exact one, rounded to the digits it shows. */
    private static void assertReadsAs(String printed, JsonElement exact) {
        if (exact.isJsonNull()) {
            assertThat(printed).isEqualTo("-");
            return;
        }
        String[] parts = printed.replace(",", "").split(" ", -1);
        int decimals = parts[0].contains(".") ? parts[0].length() - parts[0].indexOf('.') - 1 : 0;
        double scale = parts.length == 1 ? 1 : scale(parts[1]);
        double halfDigit = 0.5 * Math.pow(10, -decimals) * scale;
        assertThat(Double.parseDouble(parts[0]) * scale)
                .as(printed)
                .isEqualTo(exact.getAsDouble(), within(halfDigit * (1 + 1e-9)));
    }

    private static double scale(String unit) {
        if (Stream.of("B", "FLOP", "s").anyMatch(unit::equals)) {
            return 1;
        }
        int small = "mµnp".indexOf(unit.charAt(0));
        int large = PREFIXES.indexOf(unit.charAt(0));
        assertThat(Math.max(small, large)).as(unit.toLowerCase(Locale.ROOT)).isNotNegative();
        return small >= 0 ? Math.pow(1000, -1 - small) : Math.pow(1000, 1 + large);
    }
}
