package ai.molae.bench.soak;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Random;

/** What the work is done with: models of a hundred thousand parameters and random tokens. */
final class SmallModels {

    static final int VOCABULARY = 96;
    static final int SEQUENCE = 32;
    static final int POSITIONS = 64;

    /** 16 experts of 24 × 32. */
    static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(32)
            .setIntermediateSize(24)
            .setNumExperts(16)
            .setTopK(2)
            .optRouter(RouterSpec.builder()
                    .optAuxLossCoef(0.01)
                    .optZLossCoef(0.001)
                    .build())
            .build();

    /** The same with latent spaces of 16 for groups of 8. */
    static final MoeSpec MOLAE = MOE.withLatent(
            LatentSpec.builder().setLatentSize(16).setGroupSize(8).build());

    private SmallModels() {}

    /** Two layers. */
    static ModelSpec spec(MoeSpec moe) {
        return ModelSpec.builder()
                .setVocabSize(VOCABULARY)
                .setAttention(GroupedQueryAttentionSpec.of(4, 2, 8))
                .addLayers(2, moe)
                .optMaxPositionEmbeddings(POSITIONS)
                .build();
    }

    /** With weights that follow from the seed; the manager's to close. */
    static CausalLm model(NDManager manager, MoeSpec moe, Precision precision, long seed) {
        Engine.getEngine("PyTorch").setRandomSeed((int) seed);
        CausalLm model =
                CausalLm.builder().setSpec(spec(moe)).optPrecision(precision).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, SEQUENCE));
        return model;
    }

    /** Writes a model as a checkpoint. */
    static Path save(Path folder, MoeSpec moe, long seed) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CheckpointSaver.of(model(manager, moe, Precision.FLOAT32, seed)).save(folder);
        }
        return folder;
    }

    static int[] tokens(int count, long seed) {
        return new Random(seed).ints(count, 0, VOCABULARY).toArray();
    }

    static PackedWindows data(int windows, long seed) {
        return new PackedWindows(tokens(windows * SEQUENCE + 1, seed), SEQUENCE, seed);
    }
}
