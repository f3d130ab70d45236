package ai.molae.djl.train;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.LongConsumer;

/** A model and a text so small that hundreds of steps take seconds. */
final class SmallRun {

    static final int VOCAB = 16;
    static final int SEQUENCE = 16;
    static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(16)
            .setIntermediateSize(8)
            .setNumExperts(4)
            .setTopK(2)
            .optRouter(RouterSpec.builder().optAuxLossCoef(0.01).build())
            .build();
    static final MoeSpec MOLAE =
            MOE.withLatent(LatentSpec.builder().setLatentSize(8).setGroupSize(2).build());

    private SmallRun() {}

    static PackedWindows data() {
        return new PackedWindows(text(4000, 1), SEQUENCE, 3);
    }

    static PackedWindows validation() {
        return new PackedWindows(text(500, 2), SEQUENCE, 3);
    }

    /** Letters in a cycle with some noise: uniform letter frequencies, hence unigram entropy ln 16 = 2.77, but predictable. */
    static int[] text(int length, long seed) {
        Random random = new Random(seed);
        int[] tokens = new int[length];
        for (int i = 1; i < length; i++) {
            tokens[i] = random.nextInt(10) == 0 ? random.nextInt(VOCAB) : (tokens[i - 1] + 3) % VOCAB;
        }
        return tokens;
    }

    static ModelSpec spec(MoeSpec moe) {
        return ModelSpec.builder()
                .setVocabSize(VOCAB)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                .addLayers(2, moe)
                .optMaxPositionEmbeddings(SEQUENCE)
                .build();
    }

    /** Always the same weights. */
    static CausalLm model(NDManager manager, MoeSpec moe, Precision precision) {
        Engine.getEngine("PyTorch").setRandomSeed(11);
        CausalLm model =
                CausalLm.builder().setSpec(spec(moe)).optPrecision(precision).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, SEQUENCE));
        return model;
    }

    static long stepTokens(int batch) {
        return (long) batch * SEQUENCE;
    }

    /** Eight windows a step, five steps of warm-up, then a cosine. */
    static TrainingConfig.Builder config(int steps) {
        return TrainingConfig.builder()
                .setSteps(steps)
                .setBatchSize(8)
                .optSchedule(LearningRateSchedule.warmupCosine(
                        0.01, 0.001, Math.min(5, steps) * stepTokens(8), steps * stepTokens(8)));
    }

    /** Keeps what it is told. */
    static final class Recorder implements LmTrainingListener {
        final List<Step> steps = new ArrayList<>();
        final List<Evaluation> evaluations = new ArrayList<>();
        final List<Long> checkpoints = new ArrayList<>();
        LongConsumer onStep = step -> {};

        @Override
        public void onStep(Step step) {
            steps.add(step);
            onStep.accept(step.step());
        }

        @Override
        public void onEvaluation(Evaluation evaluation) {
            evaluations.add(evaluation);
        }

        @Override
        public void onCheckpoint(long step, java.nio.file.Path folder) {
            checkpoints.add(step);
        }

        List<Double> losses() {
            return steps.stream().map(Step::loss).toList();
        }
    }
}
