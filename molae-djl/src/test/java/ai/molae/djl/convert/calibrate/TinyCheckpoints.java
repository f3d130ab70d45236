package ai.molae.djl.convert.calibrate;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;

/** Checkpoints of tiny models, and windows for them. */
final class TinyCheckpoints {

    static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(8)
            .setIntermediateSize(5)
            .setNumExperts(4)
            .setTopK(2)
            .build();

    private TinyCheckpoints() {}

    /** A MoE, a dense and a MoE layer. */
    static ModelSpec.Builder spec(MoeSpec moe) {
        return ModelSpec.builder()
                .setVocabSize(23)
                .setAttention(new GroupedQueryAttentionSpec(4, 2, 6, 100, true, QkNorm.PER_HEAD))
                .addLayers(1, moe)
                .addLayers(1, DenseSpec.swiglu(moe.hiddenSize(), 7))
                .addLayers(1, moe)
                .optMaxPositionEmbeddings(16);
    }

    /** Saves a model with random parameters of standard deviation a half. */
    static Path save(ModelSpec spec, Path folder, long seed) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = CausalLm.builder().setSpec(spec).build();
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
            Random random = new Random(seed);
            for (Parameter parameter : model.parametersByPath().values()) {
                float mean = parameter.getType() == Parameter.Type.GAMMA ? 1 : 0;
                float[] values = new float[(int) parameter.getShape().size()];
                for (int i = 0; i < values.length; i++) {
                    values[i] = mean + 0.5f * (float) random.nextGaussian();
                }
                parameter.getArray().set(values);
            }
            CheckpointSaver.of(model).save(folder);
            return folder;
        }
    }

    /** A checkpoint with what Hugging Face's code computed from it. */
    static Path golden(String name) {
        try {
            return Path.of(Objects.requireNonNull(Checkpoint.class.getResource(name + "/config.json"))
                            .toURI())
                    .getParent();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static List<int[]> windows(ModelSpec spec, int count, int length, long seed) {
        Random random = new Random(seed);
        List<int[]> windows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            windows.add(random.ints(length, 0, spec.vocabSize()).toArray());
        }
        return windows;
    }
}
