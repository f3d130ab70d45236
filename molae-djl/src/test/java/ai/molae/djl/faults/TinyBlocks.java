package ai.molae.djl.faults;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.djl.lm.DenseFeedForward;
import ai.molae.djl.lm.KvCache;
import ai.molae.djl.lm.RmsNorm;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;

/** Every block with a public forward pass, tiny. */
enum TinyBlocks {
    MOE,
    MOLAE,
    NORM,
    DENSE,
    GROUPED_QUERY_ATTENTION,
    LATENT_ATTENTION,
    DENSE_LAYER,
    MOE_LAYER,
    MODEL,
    MODEL_WITH_LATENT_ATTENTION;

    static final int N = 8;
    static final int VOCAB = 20;
    static final int POSITIONS = 16;

    static final MoeSpec MOE_SPEC = MoeSpec.builder()
            .setHiddenSize(N)
            .setIntermediateSize(6)
            .setNumExperts(4)
            .setTopK(2)
            .build();

    static final MoeSpec MOLAE_SPEC = MOE_SPEC.withLatent(
            LatentSpec.builder().setLatentSize(4).setGroupSize(2).build());

    private static final AttentionSpec GROUPED = new GroupedQueryAttentionSpec(2, 1, 4, 100, true, QkNorm.PER_HEAD);
    private static final AttentionSpec LATENT = new LatentAttentionSpec(2, 0, 4, 3, 2, 3, 100);

    /** A dense, a MoE and a MoLAE layer. */
    static ModelSpec spec(AttentionSpec attention) {
        return ModelSpec.builder()
                .setVocabSize(VOCAB)
                .setAttention(attention)
                .addLayers(1, DenseSpec.swiglu(N, 12))
                .addLayers(1, MOE_SPEC)
                .addLayers(1, MOLAE_SPEC)
                .optMaxPositionEmbeddings(POSITIONS)
                .optInitializerRange(0.5)
                .build();
    }

    static ModelSpec spec() {
        return spec(GROUPED);
    }

    private static DecoderLayer layer(AttentionSpec attention, int index) {
        return new DecoderLayer(spec(attention), index, Precision.FLOAT32);
    }

    private static CausalLm model(AttentionSpec attention) {
        return CausalLm.builder().setSpec(spec(attention)).build();
    }

    static CausalLm model(NDManager manager) {
        return (CausalLm) MODEL.block(manager);
    }

    /** Without values. */
    Block block() {
        return switch (this) {
            case MOE -> new MoeBlock(MOE_SPEC);
            case MOLAE -> new MoeBlock(MOLAE_SPEC);
            case NORM -> new RmsNorm(N, 1e-6);
            case DENSE -> new DenseFeedForward(DenseSpec.swiglu(N, 12), Precision.FLOAT32, 0.5);
            case GROUPED_QUERY_ATTENTION -> layer(GROUPED, 0).attention();
            case LATENT_ATTENTION -> layer(LATENT, 0).attention();
            case DENSE_LAYER -> layer(GROUPED, 0);
            case MOE_LAYER -> layer(LATENT, 1);
            case MODEL -> model(GROUPED);
            case MODEL_WITH_LATENT_ATTENTION -> model(LATENT);
        };
    }

    /** With the same values each time. */
    Block block(NDManager manager) {
        Block block = block();
        Engine.getEngine("PyTorch").setRandomSeed(7);
        block.initialize(manager, DataType.FLOAT32, inputShape());
        return block;
    }

    boolean readsTokens() {
        return this == MODEL || this == MODEL_WITH_LATENT_ATTENTION;
    }

    Shape inputShape() {
        return readsTokens() ? new Shape(2, 3) : new Shape(2, 3, N);
    }

    /** Something that it can read. */
    NDArray input(NDManager manager) {
        if (readsTokens()) {
            return manager.create(new long[] {1, 2, 3, 4, 5, 6}, inputShape());
        }
        return manager.arange((int) inputShape().size())
                .toType(DataType.FLOAT32, false)
                .sin()
                .reshape(inputShape());
    }

    static NDArray forward(Block block, boolean training, NDManager manager, NDArray... inputs) {
        return block.forward(new ParameterStore(manager, false), new NDList(inputs), training)
                .head();
    }

    static NDArray decode(CausalLm model, NDArray tokens, KvCache cache) {
        return model.decode(new ParameterStore(tokens.getManager(), false), tokens, cache);
    }

    /** What it makes of its input, to be compared bit by bit. */
    float[] output(Block block) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            return forward(block, false, manager, input(manager)).toFloatArray();
        }
    }
}
