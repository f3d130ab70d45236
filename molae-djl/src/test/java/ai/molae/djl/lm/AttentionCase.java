package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.SlidingWindow;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Every kind of attention on 10 columns, and the block, the cache and the double-precision reference of each. */
enum AttentionCase {
    GROUPED(grouped(plain(), QkNorm.NONE)),
    OUTPUT_BIAS(new GroupedQueryAttentionSpec(4, 2, 8, plain(), true, true, QkNorm.NONE, 1e9, Optional.empty())),
    CLIPPED(new GroupedQueryAttentionSpec(4, 2, 8, plain(), false, false, QkNorm.FULL, 0.7, Optional.empty())),
    WINDOW(window(3, plain())),
    WINDOW_OF_ONE(window(1, plain())),
    WINDOW_AS_LONG_AS_THE_SEQUENCE(window(7, plain())),
    INTERLEAVED(grouped(new RopeSpec(50, true, new RopeScaling.None()), QkNorm.PER_HEAD)),
    LINEAR(grouped(scaled(new RopeScaling.Linear(3)), QkNorm.NONE)),
    YARN(grouped(scaled(new RopeScaling.Yarn(4, 64, 8, 1, 1.3, 1, true)), QkNorm.NONE)),
    LLAMA3(grouped(scaled(new RopeScaling.Llama3(8, 1, 4, 64)), QkNorm.NONE)),
    DYNAMIC(grouped(scaled(new RopeScaling.Dynamic(2, 4)), QkNorm.NONE)),
    DYNAMIC_WINDOW(window(3, scaled(new RopeScaling.Dynamic(2, 4)))),
    LATENT(latent(0, neighbours(new RopeScaling.None()), false)),
    LATENT_QUERIES(latent(6, neighbours(new RopeScaling.None()), false)),
    LATENT_BIAS(latent(0, neighbours(new RopeScaling.None()), true)),
    LATENT_QUERIES_BIAS(latent(6, neighbours(new RopeScaling.None()), true)),
    LATENT_HALVES(latent(6, plain(), false)),
    LATENT_YARN(latent(6, neighbours(new RopeScaling.Yarn(4, 64, 8, 1, 0.9, 1.2, false)), false)),
    LATENT_DYNAMIC(latent(0, neighbours(new RopeScaling.Dynamic(2, 4)), false));

    static final int WIDTH = 10;
    static final double EPS = 0.01;

    private final AttentionSpec spec;

    AttentionCase(AttentionSpec spec) {
        this.spec = spec;
    }

    private static RopeSpec plain() {
        return scaled(new RopeScaling.None());
    }

    private static RopeSpec scaled(RopeScaling scaling) {
        return new RopeSpec(50, false, scaling);
    }

    private static RopeSpec neighbours(RopeScaling scaling) {
        return new RopeSpec(50, true, scaling);
    }

    private static GroupedQueryAttentionSpec grouped(RopeSpec rope, QkNorm norm) {
        return new GroupedQueryAttentionSpec(
                4, 2, 8, rope, false, false, norm, Double.POSITIVE_INFINITY, Optional.empty());
    }

    private static GroupedQueryAttentionSpec window(int size, RopeSpec rope) {
        Optional<SlidingWindow> window = Optional.of(new SlidingWindow(size, Set.of(0)));
        return new GroupedQueryAttentionSpec(4, 2, 8, rope, true, false, QkNorm.NONE, Double.POSITIVE_INFINITY, window);
    }

    /** Three heads whose parts are all of different widths. */
    private static LatentAttentionSpec latent(int queryRank, RopeSpec rope, boolean bias) {
        return new LatentAttentionSpec(3, queryRank, 5, 4, 8, 7, rope, EPS, bias);
    }

    ModelSpec model() {
        return ModelSpec.builder()
                .setVocabSize(3)
                .setAttention(spec)
                .addLayers(1, DenseSpec.swiglu(WIDTH, 4))
                .optMaxPositionEmbeddings(32)
                .optRmsNormEps(EPS)
                .build();
    }

    /** The same weights at each call. */
    Attention block(NDManager manager, Precision precision) {
        return LmFixture.initialized(Attention.of(model(), 0, precision), manager, 1, new Shape(1, 1, WIDTH));
    }

    /** What a block makes of x [B, S, n] at once; visible [B, S] or absent. */
    static NDArray forward(Attention block, AttentionSpec spec, NDArray x, NDArray visible, boolean training) {
        int tokens = (int) x.getShape().get(1);
        try (Positions positions = Positions.of(spec, x.getManager(), tokens, visible, 0)) {
            ParameterStore parameterStore = new ParameterStore(x.getManager(), false);
            return block.apply(parameterStore, x, positions, KvCache.Layer.NONE, training);
        }
    }

    NDArray forward(Attention block, NDArray x, NDArray visible) {
        try (NoGrad noGrad = new NoGrad()) {
            return forward(block, spec, x, visible, false);
        }
    }

    /** The same x through a cache, in chunks of the given lengths; what comes out of each stands side by side. */
    NDArray decode(Attention block, NDArray x, KvCache cache, int... chunks) {
        NDArray y = x.getManager().create(x.getShape(), DataType.FLOAT32);
        int from = 0;
        for (int chunk : chunks) {
            String columns = ":, " + from + ":" + (from + chunk);
            NDArray visible = cache.visible(chunk);
            try (NoGrad noGrad = new NoGrad();
                    Positions positions = Positions.of(spec, x.getManager(), chunk, visible, cache.length())) {
                ParameterStore parameterStore = new ParameterStore(x.getManager(), false);
                NDArray part = x.get(columns);
                y.set(new NDIndex(columns), block.apply(parameterStore, part, positions, cache.layer(0), false));
            }
            cache.advance(chunk);
            from += chunk;
        }
        return y;
    }

    /** Double precision: one sequence x [S][n], some of it padding. */
    double[][] reference(Attention block, double[][] x, boolean[] visible) {
        return reference(LmFixture.values(block), x, visible);
    }

    double[][] reference(Map<String, double[]> parameters, double[][] x, boolean[] visible) {
        return ReferenceAttention.of(spec, windowOf(), EPS, parameters, x, visible);
    }

    /** Double precision: one sequence without padding, read in chunks. */
    double[][] reference(Attention block, double[][] x, int... chunks) {
        boolean[] visible = new boolean[x.length];
        Arrays.fill(visible, true);
        int[] lengths = new int[x.length];
        int from = 0;
        for (int chunk : chunks) {
            Arrays.fill(lengths, from, from + chunk, from + chunk);
            from += chunk;
        }
        return new ReferenceAttention(spec, windowOf(), EPS, LmFixture.values(block), visible, lengths).of(x);
    }

    private int windowOf() {
        return spec instanceof GroupedQueryAttentionSpec grouped ? grouped.window(0) : Integer.MAX_VALUE;
    }

    AttentionSpec spec() {
        return spec;
    }
}
