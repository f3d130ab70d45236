package ai.molae.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.spec.ModelSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CustomLlmTest {

    private static final ModelSpec SPEC = CustomLlm.spec(true, 32);
    private static final int STEPS = 24;

    @TempDir
    private Path folder;

    /** Remembers losses, and fails like a machine that is switched off after some step. */
    private static final class Recorder implements LmTrainingListener {
        private final List<Double> losses = new ArrayList<>();
        private final long last;

        private Recorder(long last) {
            this.last = last;
        }

        @Override
        public void onStep(Step step) {
            losses.add(step.loss());
            if (step.step() == last) {
                throw new IllegalStateException("switched off");
            }
        }
    }

    private CustomLlm.Result run(String name, Recorder recorder) throws IOException {
        return CustomLlm.run(SPEC, folder.resolve(name), Optional.empty(), STEPS, recorder);
    }

    @Test
    void goesOnAfterACrashAsIfNothingHadHappened() throws IOException {
        Recorder whole = new Recorder(Long.MAX_VALUE);
        CustomLlm.Result expected = run("whole", whole);
        assertThat(whole.losses).hasSize(STEPS);
        assertThat(whole.losses.get(0)).isGreaterThan(5.4); // ln 256 = 5.55
        assertThat(expected.loss()).isLessThan(4.5);

        assertThatThrownBy(() -> run("broken", new Recorder(13))).hasMessage("switched off");
        Recorder rest = new Recorder(Long.MAX_VALUE);
        CustomLlm.Result result = run("broken", rest);

        assertThat(rest.losses).isEqualTo(whole.losses.subList(12, STEPS)); // a checkpoint every second step
        assertThat(result.loss()).isEqualTo(expected.loss());
        assertThat(result.told()).isEqualTo(expected.told());
    }

    @Test
    void savesAModelOfYourTextsThatLoadsLikeAnyCheckpoint() throws IOException {
        Path texts = Files.createDirectory(folder.resolve("texts"));
        Files.writeString(texts.resolve("one.txt"), "The quick brown fox jumps over the lazy dog. ".repeat(400));

        CustomLlm.Result result =
                CustomLlm.run(SPEC, folder.resolve("out"), Optional.of(texts), 12, new Recorder(Long.MAX_VALUE));

        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                HfTokenizer tokenizer = HfTokenizer.load(result.model());
                Checkpoint checkpoint = Checkpoint.open(result.model())) {
            assertThat(checkpoint.spec().feedForwards()).isEqualTo(SPEC.feedForwards());
            int[] made = new Generator(checkpoint.load(manager, Precision.FLOAT32))
                    .generate(tokenizer.encode("The "), Sampling.greedy(200));
            assertThat(result.told()).containsExactly("The " + tokenizer.decode(made));
        }
    }
}
