package ai.molae.djl.generate;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.lm.CausalLm;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.SlidingWindow;
import java.util.Optional;
import java.util.Set;

/** Random models of every kind that generation must treat alike; their logits lie far apart. */
enum TinyModels {
    GROUPED_QUERY(new GroupedQueryAttentionSpec(4, 2, 8, 100, true, QkNorm.PER_HEAD)),
    LATENT(new LatentAttentionSpec(3, 0, 6, 5, 4, 7, 100)),
    LATENT_QUERIES(new LatentAttentionSpec(3, 8, 6, 5, 4, 7, 100)),
    SLIDING_WINDOW(grouped(RopeSpec.of(100), Optional.of(new SlidingWindow(3, Set.of(0, 2))))),
    /** Trained on 6 positions only, so that the angles change while it writes. */
    DYNAMIC_ROPE(grouped(new RopeSpec(100, false, new RopeScaling.Dynamic(2, 6)), Optional.empty()));

    static final int VOCAB = 50;
    static final int POSITIONS = 24;

    private final AttentionSpec attention;

    TinyModels(AttentionSpec attention) {
        this.attention = attention;
    }

    private static GroupedQueryAttentionSpec grouped(RopeSpec rope, Optional<SlidingWindow> window) {
        return new GroupedQueryAttentionSpec(
                4, 2, 8, rope, false, false, QkNorm.NONE, Double.POSITIVE_INFINITY, window);
    }

    /** A dense, a MoE and a MoLAE layer. */
    ModelSpec spec() {
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(16)
                .setIntermediateSize(8)
                .setNumExperts(4)
                .setTopK(2)
                .build();
        LatentSpec latent =
                LatentSpec.builder().setLatentSize(6).setGroupSize(2).build();
        return ModelSpec.builder()
                .setVocabSize(VOCAB)
                .setAttention(attention)
                .addLayers(1, DenseSpec.swiglu(16, 24))
                .addLayers(1, moe)
                .addLayers(1, moe.withLatent(latent))
                .optMaxPositionEmbeddings(POSITIONS)
                .optInitializerRange(0.5)
                .build();
    }

    CausalLm model(NDManager manager) {
        Engine.getInstance().setRandomSeed(5);
        CausalLm model = CausalLm.builder().setSpec(spec()).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        return model;
    }
}
