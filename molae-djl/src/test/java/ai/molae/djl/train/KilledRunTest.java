package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A process that trains is killed ({@code kill -9}) five times and begun again; nothing of it may be seen in the losses. */
class KilledRunTest {

    private static final int STEPS = 40;
    private static final int KILLS = 5;
    private static final long SEED = 20261122;

    @TempDir
    private Path folder;

    @Test
    void lossesAreThoseOfAnUninterruptedRunBitByBit() throws Exception {
        List<String> whole = new ArrayList<>();
        assertThat(run(folder.resolve("whole"), Integer.MAX_VALUE, whole)).isZero();

        Random random = new Random(SEED);
        List<String> lines = new ArrayList<>();
        for (int kill = 0; kill < KILLS; kill++) {
            // At some line of output: a step, or the start or the end of a checkpoint.
            int lineToKillAt = 3 + random.nextInt(14);
            assertThat(run(folder.resolve("killed"), lineToKillAt, lines)).isNotZero();
        }
        assertThat(run(folder.resolve("killed"), Integer.MAX_VALUE, lines)).isZero();

        assertThat(steps(whole)).hasSizeGreaterThan(STEPS);
        assertThat(steps(lines)).as("kills with seed " + SEED).isEqualTo(steps(whole));
        assertThat(lines.stream().filter(line -> line.startsWith("start ")).count())
                .isEqualTo(KILLS + 1);
        assertThat(lines.stream().filter(line -> line.equals("start 0")).count())
                .as("runs that had a checkpoint to go on from")
                .isLessThan(KILLS + 1);
    }

    /** The loss of every step and evaluation in bits; a step that was made twice must have been the same twice. */
    private static Map<String, String> steps(List<String> lines) {
        Map<String, String> steps = new TreeMap<>();
        for (String line : lines) {
            String[] words = line.split(" ", 3);
            if (words[0].equals("step") || words[0].equals("evaluation")) {
                String before = steps.put(words[0] + " " + words[1], words[2]);
                assertThat(before == null || before.equals(words[2]))
                        .as("step " + words[1] + " was " + before + ", then " + words[2])
                        .isTrue();
            }
        }
        return steps;
    }

    private static int run(Path folder, int lineToKillAt, List<String> lines) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-Dai.djl.offline=true",
                        "-Dmolae.cache=" + System.getProperty("molae.cache", "target/molae-cache"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        KilledRunTest.class.getName(),
                        folder.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        int read = 0;
        try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = out.readLine(); line != null; line = out.readLine()) {
                lines.add(line);
                if (++read == lineToKillAt) {
                    process.destroyForcibly();
                    break;
                }
            }
        }
        return process.waitFor();
    }

    /**
     * The process under test: resumes what is there, trains to the end, and prints what it does.
     *
     * @param args the folder of the checkpoints
     * @throws IOException if it fails
     */
    public static void main(String[] args) throws IOException {
        LmTrainingListener printer = new LmTrainingListener() {
            @Override
            public void onStart(long step) {
                System.out.println("start " + step);
            }

            @Override
            public void onStep(Step step) {
                System.out.println("step " + step.step() + " " + Double.toHexString(step.loss()) + " "
                        + Double.toHexString(step.gradientNorm()));
            }

            @Override
            public void onEvaluation(Evaluation evaluation) {
                System.out.println("evaluation " + evaluation.step() + " " + Double.toHexString(evaluation.loss()));
            }

            @Override
            public void onCheckpoint(long step, Path folder) {
                System.out.println("checkpoint " + step);
            }
        };
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = SmallRun.model(manager, SmallRun.MOLAE, Precision.FLOAT32);
            try (LmTrainer trainer = LmTrainer.builder()
                    .setModel(model)
                    .setData(SmallRun.data())
                    .setConfig(SmallRun.config(STEPS)
                            .optGradientAccumulation(2)
                            .optEvaluation(5, 2)
                            .build())
                    .optValidation(SmallRun.validation())
                    .optCheckpoints(Path.of(args[0]), new CheckpointPolicy(3, Duration.ZERO, 2, 0, true))
                    .optListener(printer)
                    .build()) {
                trainer.resume();
                trainer.train();
            }
        }
    }
}
