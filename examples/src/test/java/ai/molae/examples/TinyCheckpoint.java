package ai.molae.examples;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A complete checkpoint of a random model of a few thousand parameters, whose tokens are bytes. */
final class TinyCheckpoint {

    static final String TEMPLATE =
            "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
                    + "{% if add_generation_prompt %}assistant: {% endif %}";

    private TinyCheckpoint() {}

    /** Writes it, without a chat template. */
    static Path write(Path folder, int positions) throws IOException {
        ModelSpec spec = ModelSpec.builder()
                .setVocabSize(ByteTokenizer.VOCAB_SIZE)
                .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                .addLayers(1, DenseSpec.swiglu(16, 24))
                .addLayers(
                        1,
                        MoeSpec.builder()
                                .setHiddenSize(16)
                                .setIntermediateSize(8)
                                .setNumExperts(4)
                                .setTopK(2)
                                .build())
                .optMaxPositionEmbeddings(positions)
                .optInitializerRange(0.3)
                .build();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Engine.getEngine("PyTorch").setRandomSeed(5);
            CausalLm model = CausalLm.builder().setSpec(spec).build();
            model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
            CheckpointSaver.of(model).save(folder);
        }
        new ByteTokenizer().save(folder);
        return folder;
    }

    /** Gives it a chat template. */
    static Path writeChat(Path folder, int positions) throws IOException {
        write(folder, positions);
        Files.writeString(folder.resolve("chat_template.jinja"), TEMPLATE);
        return folder;
    }
}
