package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.testing.RandomSpecs;
import java.io.IOException;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Any model at all comes back from the family that can say everything. */
class MolaeCheckpointTest {

    @TempDir
    private Path folder;

    /** A MoE layer and a dense one, with any router, groups, activation and factored operators. */
    private static ModelSpec any(int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        MoeSpec moe = RandomSpecs.next(random);
        AttentionSpec attention = seed % 2 == 0
                ? GroupedQueryAttentionSpec.of(2, 1, 4)
                : new LatentAttentionSpec(2, seed % 4 == 1 ? 0 : 5, 3, 4, 2, 3, 1e4);
        return ModelSpec.builder()
                .setVocabSize(11 + seed)
                .setAttention(attention)
                .addLayers(1, moe)
                .addLayers(1, new DenseSpec(moe.hiddenSize(), 3, moe.activation(), seed % 3 > 0))
                .optTieWordEmbeddings(seed % 5 == 0)
                .build();
    }

    private static CausalLm random(NDManager manager, ModelSpec spec) {
        Engine.getInstance().setRandomSeed(17);
        CausalLm model = CausalLm.builder().setSpec(spec).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        model.parametersByPath().values().forEach(parameter -> {
            if (parameter.getName().equals("e_score_correction_bias")) {
                parameter
                        .getArray()
                        .set(manager.randomNormal(parameter.getShape()).toFloatArray());
            }
        });
        return model;
    }

    @Test
    void anyModelComesBackExactly() throws IOException {
        for (int seed = 0; seed < 24; seed++) {
            try (NDManager manager = NDManager.newBaseManager()) {
                CausalLm model = random(manager, any(seed));
                CheckpointConfig saved = CheckpointSaver.of(model).save(folder);
                assertThat(saved.modelType()).as("seed %d", seed).isEqualTo("molae");
                CausalLm loaded = Loading.load(manager, folder);
                assertThat(loaded.spec()).isEqualTo(model.spec());
                assertThat(Loading.logits(loaded)).as("seed %d", seed).containsExactly(Loading.logits(model));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5})
    void anyModelIsPackedAsItIsRead(int seed) throws IOException {
        try (NDManager manager = NDManager.newBaseManager()) {
            CausalLm model = random(manager, any(seed));
            CheckpointSaver.of(model).save(folder);
            CausalLm packed = Loading.loadForInference(manager, folder, Precision.FLOAT32);
            assertThat(Loading.logits(packed)).containsExactly(Loading.logits(model), within(1e-5f));
        }
    }
}
