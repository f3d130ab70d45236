package ai.molae.cli;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.io.IOException;
import java.nio.file.Path;

/** Writes checkpoints of random models of a few thousand parameters. */
public final class TinyCheckpoint {

    /** Of the MoE layers. */
    public static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(16)
            .setIntermediateSize(8)
            .setNumExperts(4)
            .setTopK(2)
            .optRouter(RouterSpec.builder().optNormTopkProb(true).build())
            .build();

    private TinyCheckpoint() {}

    /** A dense layer and two MoE layers, for a vocabulary of bytes and a few more. */
    public static ModelSpec spec(int vocabSize) {
        return spec(vocabSize, 64);
    }

    /** The same for sequences of some length. */
    public static ModelSpec spec(int vocabSize, int longest) {
        return ModelSpec.builder()
                .setVocabSize(vocabSize)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                .addLayers(1, DenseSpec.swiglu(16, 24))
                .addLayers(2, MOE)
                .optMaxPositionEmbeddings(longest)
                .optInitializerRange(0.1)
                .build();
    }

    /** Writes a model of random weights, always the same ones. */
    public static Path write(Path folder, ModelSpec spec) throws IOException {
        return write(folder, spec, TensorType.F32);
    }

    /** Writes a model of random weights in some element type and in several files. */
    public static Path write(Path folder, ModelSpec spec, TensorType type) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Engine.getEngine("PyTorch").setRandomSeed(5);
            CausalLm model = CausalLm.builder().setSpec(spec).build();
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
            CheckpointSaver.of(model)
                    .optType(type)
                    .optMaxShardBytes(type == TensorType.F32 ? 0 : 20_000)
                    .save(folder);
        }
        return folder;
    }
}
