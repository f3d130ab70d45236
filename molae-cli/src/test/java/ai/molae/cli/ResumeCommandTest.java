package ai.molae.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.json.SpecJson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that is interrupted or killed, and goes on as if nothing had been. */
class ResumeCommandTest {

    private static final String SHAPE =
            "--sequence 16 --batch 2 --lr 0.01 --steps 12 --checkpoint-steps 4 --seed 7 --no-tensorboard";

    @TempDir
    private Path folder;

    private Path text;
    private Path spec;

    @BeforeEach
    void write() throws IOException {
        Random random = new Random(1);
        StringBuilder letters = new StringBuilder();
        for (int i = 0; i < 3000; i++) {
            letters.append((char) ('a' + random.nextInt(4)));
        }
        text = Files.writeString(folder.resolve("letters.txt"), letters);
        spec = Files.writeString(folder.resolve("spec.json"), SpecJson.toJson(TinyCheckpoint.spec(256)));
    }

    private List<String> train(Path out, String options) {
        List<String> args = new ArrayList<>(List.of("train", "--text", text.toString(), "--out", out.toString()));
        args.addAll(List.of(
                (SHAPE + " " + options.replace("SPEC", spec.toString())).strip().split(" +")));
        return args;
    }

    private static CommandRun run(List<String> args) {
        CommandRun run = CommandRun.of(args.toArray(String[]::new));
        assertThat(run.exitCode()).as(run.err()).isZero();
        return run;
    }

    /** Loss and gradient norm of each step, in all digits. */
    private static NavigableMap<Integer, String> steps(Path run) throws IOException {
        NavigableMap<Integer, String> steps = new TreeMap<>();
        for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
            JsonObject step = JsonParser.parseString(line).getAsJsonObject();
            if (step.has("loss")) {
                assertThat(steps.put(step.get("step").getAsInt(), step.get("loss") + " " + step.get("gradient_norm")))
                        .isNull();
            }
        }
        return steps;
    }

    private static byte[] weights(Path run) throws IOException {
        return Files.readAllBytes(run.resolve("model").resolve("model.safetensors"));
    }

    /** Another process trains until a line of its output, and is killed with SIGKILL. */
    private static void killAt(String line, List<String> args) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-Dai.djl.offline=true",
                "-Dmolae.cache=" + System.getProperty("molae.cache", "target/molae-cache"),
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        command.addAll(args);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        StringBuilder output = new StringBuilder();
        boolean killed = false;
        try (BufferedReader reader = process.inputReader(StandardCharsets.UTF_8)) {
            for (String next = reader.readLine(); next != null; next = killed ? null : reader.readLine()) {
                output.append(next).append('\n');
                if (next.startsWith(line)) {
                    process.destroyForcibly();
                    killed = true;
                }
            }
        }
        assertThat(killed).as(output.toString()).isTrue();
        assertThat(process.waitFor()).isNotZero();
    }

    @Test
    void goesOnAfterAKillExactlyAsIfNothingHadBeen() throws IOException, InterruptedException {
        Path whole = folder.resolve("whole");
        run(train(whole, "--spec SPEC --latent 4 --dropout 0.1"));
        Path killed = folder.resolve("killed");
        killAt("train step 7", train(killed, "--spec SPEC --latent 4 --dropout 0.1"));
        assertThat(killed.resolve("model")).doesNotExist();

        CommandRun resumed = run(List.of("resume", killed.toString()));

        assertThat(resumed.out()).contains("Trained 12 steps").contains("Model: " + killed.resolve("model"));
        assertThat(steps(killed)).hasSize(12).isEqualTo(steps(whole));
        assertThat(weights(killed)).isEqualTo(weights(whole));
    }

    /** Adapters, an upcycled checkpoint and accumulation: everything that is random, and everything that is kept. */
    @Test
    void goesBackToACheckpointAndMakesTheSameStepsAgain() throws IOException {
        Path model = TinyCheckpoint.write(folder.resolve("model"), TinyCheckpoint.spec(256));
        Path out = folder.resolve("run");
        run(train(
                out,
                "--from " + model + " --tokenizer bytes --mode lora --lora-rank 2 --upcycle 2 --accumulate 2"
                        + " --optimizer muon --packing inside --keep 9 --evaluate-every 5"));
        NavigableMap<Integer, String> steps = steps(out);
        byte[] weights = weights(out);

        CommandRun again = run(List.of("resume", out.toString(), "--at", "8", "--quiet"));

        assertThat(again.out()).contains("Trained 12 steps");
        assertThat(steps(out)).isEqualTo(steps);
        assertThat(weights(out)).isEqualTo(weights);
    }

    @Test
    void saysThatAFinishedRunIsFinishedAndWritesTheModelIfItIsMissing() throws IOException {
        Path out = folder.resolve("run");
        run(train(out, "--spec SPEC"));
        byte[] weights = weights(out);
        try (Stream<Path> files = Files.list(out.resolve("model"))) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }

        CommandRun resumed = run(List.of("resume", out.toString()));

        assertThat(resumed.out()).contains("The run was finished already: 12 steps");
        assertThat(weights(out)).isEqualTo(weights);
    }

    @Test
    void refusesOtherOptionsUnlessTheyAreAllowedAndKeepsThem() throws IOException {
        Path out = folder.resolve("run");
        run(train(out, "--spec SPEC"));

        CommandRun refused = CommandRun.of("resume", out.toString(), "--steps", "14");
        assertThat(refused.exitCode()).isEqualTo(2);
        assertThat(refused.err()).contains("--steps=14 changes the run; add --allow-changes");

        CommandRun longer = run(List.of("resume", out.toString(), "--steps", "14", "--allow-changes"));
        assertThat(longer.out()).contains("Trained 14 steps");
        assertThat(steps(out)).hasSize(14);
        assertThat(run(List.of("resume", out.toString())).out()).contains("finished already: 14 steps");
    }

    @Test
    void refusesWhatIsNoRunAndStepsThatAreNotThere() throws IOException {
        CommandRun none = CommandRun.of("resume", folder.toString());
        assertThat(none.exitCode()).isEqualTo(2);
        assertThat(none.err()).contains("has no run.json; name the folder that molae train wrote with --out");

        Path out = folder.resolve("run");
        run(train(out, "--spec SPEC"));
        CommandRun step = CommandRun.of("resume", out.toString(), "--at", "5");
        assertThat(step.exitCode()).isEqualTo(2);
        assertThat(step.err()).contains("there is no checkpoint of step 5").contains("12");

        CommandRun again = CommandRun.of(train(out, "--spec SPEC").toArray(String[]::new));
        assertThat(again.exitCode()).isEqualTo(2);
        assertThat(again.err()).contains("holds a run already; go on with it: molae resume");
    }

    @Test
    void asksForTheDataAndTheCheckpointThatTheRunBeganWith() throws IOException {
        Path model = TinyCheckpoint.write(folder.resolve("model"), TinyCheckpoint.spec(256));
        Path out = folder.resolve("run");
        run(train(out, "--from " + model + " --tokenizer bytes"));

        Files.writeString(text, "another text".repeat(100));
        CommandRun data = CommandRun.of("resume", out.toString());
        assertThat(data.exitCode()).isEqualTo(2);
        assertThat(data.err()).contains("data was").contains("--allow-changes");

        Files.move(model, folder.resolve("moved"));
        CommandRun from = CommandRun.of("resume", out.toString());
        assertThat(from.exitCode()).isEqualTo(2);
        assertThat(from.err()).contains(model + " does not exist");
    }

    /** What Ctrl-C does, with SIGTERM, which a test can send. */
    @Test
    void endsWithACheckpointWhenInterruptedAndGoesOn() throws IOException, InterruptedException {
        String options = "--sequence 16 --batch 1 --steps 400 --validation-share 0 --no-tensorboard --spec " + spec;
        Path out = folder.resolve("run");
        List<String> train = new ArrayList<>(List.of("train", "--text", text.toString(), "--out", out.toString()));
        train.addAll(List.of(options.split(" ")));

        InterruptedRun interrupted = InterruptedRun.of("train step 40", train.toArray(String[]::new));

        assertThat(interrupted.exitCode()).as(interrupted.output()).isNotZero();
        assertThat(interrupted.output()).contains("Interrupted after").contains("To go on: molae resume " + out);
        assertThat(out.resolve("report.html")).exists();
        assertThat(out.resolve("model")).doesNotExist();
        int done = steps(out).size();
        assertThat(done).isBetween(40, 399);
        assertThat(out.resolve("checkpoints").resolve(String.format("step-%010d", done)))
                .exists();

        String fewMore = String.valueOf(done + 2);
        assertThat(run(List.of("resume", out.toString(), "--steps", fewMore, "--allow-changes"))
                        .out())
                .contains(String.format("Trained %,d steps", done + 2));
    }
}
