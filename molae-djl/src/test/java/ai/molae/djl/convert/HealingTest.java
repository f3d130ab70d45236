package ai.molae.djl.convert;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DistillationLoss;
import ai.molae.djl.train.LearningRateSchedule;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HealingTest {

    private static final int VOCAB = 16;
    private static final int SEQUENCE = 16;
    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(16)
            .setIntermediateSize(16)
            .setNumExperts(4)
            .setTopK(2)
            .build();
    private static final LatentSpec LATENT =
            LatentSpec.builder().setLatentSize(2).setGroupSize(4).build();

    @TempDir
    private Path folder;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private CausalLm moe() {
        Engine.getEngine("PyTorch").setRandomSeed(11);
        CausalLm model = CausalLm.builder()
                .setSpec(ModelSpec.builder()
                        .setVocabSize(VOCAB)
                        .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                        .addLayers(2, MOE)
                        .optMaxPositionEmbeddings(SEQUENCE)
                        .build())
                .build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, SEQUENCE));
        return model;
    }

    /** A model that knows the text. */
    private CausalLm trained() throws IOException {
        CausalLm model = moe();
        TrainingConfig config = TrainingConfig.builder()
                .setSteps(200)
                .setBatchSize(8)
                .optSchedule(LearningRateSchedule.warmupCosine(0.01, 0.001, 1000, 200 * 8 * SEQUENCE))
                .build();
        try (LmTrainer trainer = LmTrainer.builder()
                .setModel(model)
                .setData(text(6000, 1))
                .setConfig(config)
                .build()) {
            trainer.train();
        }
        return model;
    }

    /** Every letter follows from the two before it, but for some noise. */
    private static PackedWindows text(int length, long seed) {
        Random random = new Random(seed);
        int[] tokens = new int[length];
        for (int i = 2; i < length; i++) {
            tokens[i] =
                    random.nextInt(10) == 0 ? random.nextInt(VOCAB) : (tokens[i - 1] + tokens[i - 2] * 3 + 1) % VOCAB;
        }
        return new PackedWindows(tokens, SEQUENCE, 3);
    }

    private static Healing.Builder healing(int steps) {
        return Healing.builder().setData(text(6000, 1)).setSteps(steps).optValidation(text(600, 2));
    }

    @Test
    void experiment() throws IOException {
        CausalLm original = trained();
        for (int rank : new int[] {2, 6}) {
            LatentSpec latent =
                    LatentSpec.builder().setLatentSize(rank).setGroupSize(4).build();
            for (double rate : new double[] {1e-4, 3e-4, 1e-3, 3e-3, 1e-2}) {
                for (double share : new double[] {0, 0.5, 1}) {
                    Healing.Builder builder = healing(100).optLearningRate(rate);
                    if (share > 0) {
                        builder.optTeacher(original, new DistillationLoss(1, share));
                    }
                    System.out.println("EXP rank " + rank + " rate " + rate + " share " + share + " "
                            + builder.build().heal(TruncatedMolae.of(original, latent, manager)));
                }
            }
        }
    }
}
