package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.report.ConversionFiles;
import ai.molae.djl.files.Folders;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code molae convert} and {@code molae spectrum} do with a tiny model. */
class ConvertRunTest {

    private static final String TEXTS =
            "--tokenizer bytes --sequence 16 --calibrate TEXT --calibration-tokens 256 --validate HELD";

    @TempDir
    private Path folder;

    private Path source;
    private Path target;

    @BeforeEach
    void checkpoint() throws IOException {
        source = TinyCheckpoint.write(folder.resolve("source"), TinyCheckpoint.spec(264));
        target = folder.resolve("target");
        Files.writeString(folder.resolve("text.txt"), "Some words to read, and some more. ".repeat(20));
        Files.writeString(folder.resolve("held.txt"), "Other words that nobody has read. ".repeat(4));
    }

    private String[] line(String line) {
        List<String> arguments = new ArrayList<>(List.of("convert", source.toString(), target.toString()));
        arguments.addAll(List.of(line.replace("TEXT", folder.resolve("text.txt").toString())
                .replace("HELD", folder.resolve("held.txt").toString())
                .split(" ")));
        return arguments.toArray(String[]::new);
    }

    private CommandRun convert(String line) {
        return CommandRun.of(line(line));
    }

    private double evaluated(Path model) {
        CommandRun run = CommandRun.of(
                "eval",
                model.toString(),
                "--text",
                folder.resolve("held.txt").toString(),
                "--tokenizer",
                "bytes",
                "--sequence",
                "16",
                "--format",
                "json",
                "--quiet");
        assertThat(run.exitCode()).as(run.err()).isZero();
        return JsonParser.parseString(run.out())
                .getAsJsonObject()
                .getAsJsonObject("prediction")
                .get("loss")
                .getAsDouble();
    }

    private void assertNothingIsLeft() throws IOException {
        try (var files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("source", "target", "text.txt", "held.txt");
        }
        try (var files = Files.list(target)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .contains("config.json", "conversion.md", "conversion.html", "conversion.json");
        }
    }

    @ParameterizedTest
    @CsvSource({"paper", "data-free", "calibrated", "distilled"})
    void everyMethodWritesASmallerModelWithItsReport(String method) throws IOException {
        String more = method.equals("distilled") ? " --distill 3" : "";

        // The paper's groups of eight are all four experts.
        CommandRun run = convert(TEXTS + " --ratio 0.7 --method " + method + more);

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertNothingIsLeft();
        ConversionReport report = ConversionFiles.read(target);
        assertThat(report.layers()).hasSize(2);
        assertThat(report.after().feedForwards().get(1))
                .isInstanceOfSatisfying(
                        MoeSpec.class, moe -> assertThat(moe.latent()).isPresent());
        assertThat(report.losses().keySet()).containsExactly("original", "converted");
        assertThat(report.losses().get("original")).isCloseTo(evaluated(source), within(1e-6));
        assertThat(report.losses().get("converted")).isCloseTo(evaluated(target), within(1e-6));
        assertThat(run.out()).contains("2 of 2 MoE layers", "parameters of routed experts (0.", "loss: original ");
        assertThat(run.err()).contains("layers 100 %", "copying 100 %").doesNotContain("110 %");
    }

    @Test
    void healsTheConvertedModelAndReportsBothLosses() throws IOException {
        CommandRun run = convert(TEXTS
                + " --latent 4 --heal 20 --heal-batch 4 --heal-lr 0.02 --distill-logits --weighting none --quiet");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).isEmpty();
        assertNothingIsLeft();
        ConversionReport report = ConversionFiles.read(target);
        assertThat(report.losses().keySet()).containsExactly("original", "converted", "healed");
        assertThat(report.losses().get("healed"))
                .isCloseTo(evaluated(target), within(1e-6))
                .isLessThan(report.losses().get("converted"));
        assertThat(CommandRun.of("inspect", target.toString()).out()).contains("latent sizes gate 4, up 4, down 4");
    }

    @Test
    void goesOnAfterAnInterruptionWhereItWas() throws Exception {
        String options = TEXTS + " --ratio 0.7 --weighting none";
        InterruptedRun interrupted = InterruptedRun.of("layers 50", line(options));

        assertThat(interrupted.exitCode()).as(interrupted.output()).isEqualTo(143);
        assertThat(interrupted.output()).contains("interrupted").contains("The same command goes on");
        assertThat(target).doesNotExist();
        assertThat(folder.resolve(".target-work").resolve("calibration")).isDirectory();
        CommandRun other = convert(options + " --shrinkage 0.1");
        assertThat(other.exitCode()).isEqualTo(2);
        assertThat(other.err()).contains("with other options was interrupted", "--restart");

        CommandRun again = convert(options);

        assertThat(again.exitCode()).as(again.err()).isZero();
        assertThat(again.err()).doesNotContain("calibrating");
        assertNothingIsLeft();
    }

    @Test
    void whatAKilledCommandHadConvertedIsMeasuredAndHealedByTheNext() throws IOException {
        String options = TEXTS + " --latent 4 --heal 2 --heal-batch 2 --weighting none --quiet";
        assertThat(convert(options).exitCode()).isZero();
        ConversionReport whole = ConversionFiles.read(target);
        // As if it were killed after the conversion: the target has the original's loss only, and the command is known.
        String command = commandOf(options);
        ConversionFiles.write(
                new ConversionReport(
                        whole.source(),
                        whole.method(),
                        whole.before(),
                        whole.after(),
                        whole.layers(),
                        java.util.Map.of("original", 1.25)),
                target);
        Files.createDirectories(folder.resolve(".target-work"));
        Files.writeString(folder.resolve(".target-work").resolve("command.txt"), command);

        CommandRun run = convert(options);

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(ConversionFiles.read(target).losses())
                .containsEntry("original", 1.25)
                .containsKeys("converted", "healed");
        assertNothingIsLeft();
    }

    /** The command as a conversion keeps it, which is found by interrupting one at its beginning. */
    private String commandOf(String options) throws IOException {
        Path elsewhere = folder.resolve("elsewhere");
        Files.createDirectories(elsewhere.resolveSibling("elsewhere.converting"));
        Files.writeString(elsewhere.resolveSibling("elsewhere.converting").resolve("settings.txt"), "others\n");
        // Something that took work, which is not overwritten.
        Files.writeString(elsewhere.resolveSibling("elsewhere.converting").resolve("plan.json"), "{}\n");
        String[] line = line(options);
        line[2] = elsewhere.toString();
        assertThat(CommandRun.of(line).err()).contains("an interrupted conversion with other settings");
        Path work = folder.resolve(".elsewhere-work");
        String command = Files.readString(work.resolve("command.txt"));
        Folders.delete(work);
        Folders.delete(elsewhere.resolveSibling("elsewhere.converting"));
        return command;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--ratio 0.01 | a ratio of 0.010 leaves no latent space",
                "--memory 1MB | the memory limit is 1 MB; allow more",
                "--tokenizer bytes --sequence 16 --calibrate TEXT --heal 1 --heal-batch 1000 | --heal-batch 1000 exceeds the",
            })
    void whatIsRefusedLateLeavesNothing(String options, String message) throws IOException {
        CommandRun run = convert(options + " --quiet");

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(message);
        assertThat(target).doesNotExist();
        assertThat(folder.resolve(".target-work")).doesNotExist();
        assertThat(folder.resolve("target.converting")).doesNotExist();
    }

    @Test
    void distillationNeedsTextBesideACalibration() throws IOException {
        Files.createDirectories(folder.resolve("moments"));

        CommandRun run = convert("--method distilled --calibration " + folder.resolve("moments"));

        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains("--method distilled trains on text, which a calibration does not keep");
    }

    @Test
    void multipliedOutTheCheckpointIsAStandardOneAsLargeAsBefore() throws IOException {
        CommandRun run = convert("--ratio 0.7 --multiplied-out --quiet");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).contains("a standard checkpoint as large as before");
        assertThat(target.resolve("conversion.md")).content().contains("written: multiplied out");
        assertThat(CommandRun.of("inspect", target.toString()).out()).doesNotContain("latent sizes");
    }

    @Test
    void inspectSaysHowUnequalGroupsAre() {
        assertThat(convert("--ratio 0.7 --grouping subspace --groups 3 --unequal --quiet")
                        .exitCode())
                .isZero();

        assertThat(CommandRun.of("inspect", target.toString()).out()).containsPattern("2 groups of [12]( to 3)?\\b");
    }

    @Test
    void anEmptyFolderIsAPlaceForTheTarget() throws IOException {
        Files.createDirectories(target);

        assertThat(convert("--ratio 0.7 --quiet").exitCode()).isZero();
        assertNothingIsLeft();
    }

    @Test
    void theSpectrumPrintsATableAndWritesFiles() {
        Path out = folder.resolve("out");
        CommandRun run = CommandRun.of("spectrum", source.toString(), "--quiet", "--out", out.toString());

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("# Spectra of source", "| 1 | gate | 16 | 8 |")
                .doesNotContain("planned");
        assertThat(out.resolve("spectrum.md")).content().contains("# Spectra of source");
        assertThat(out.resolve("spectrum.html")).isNotEmptyFile();
        assertThat(out.resolve("spectrum.json")).isNotEmptyFile();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--ratio 0.7 --groups 2 | planned: gate",
                "--ratio 0.7 --budget parameters | planned",
                "--latent up=4 | planned: up 4"
            })
    void theSpectrumHasAPlanIfAsked(String options, String plan) {
        CommandRun run = CommandRun.ofLine("spectrum " + source + " --quiet " + options);

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).contains("planned r", plan);
    }
}
