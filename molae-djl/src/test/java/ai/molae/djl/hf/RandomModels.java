package ai.molae.djl.hf;

import ai.molae.spec.Activation;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupScore;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import ai.molae.spec.SlidingWindow;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;

/** Small random models, each of one family: everything that family's config can say comes up. */
final class RandomModels {

    private final SplittableRandom random;
    private final String family;
    private final int layers;
    private final int longest;

    private RandomModels(String family, SplittableRandom random) {
        this.random = random;
        this.family = family;
        layers = random.nextInt(1, 6);
        longest = random.nextInt(64, 4096);
    }

    static ModelSpec next(String family, SplittableRandom random) {
        return new RandomModels(family, random).model();
    }

    private ModelSpec model() {
        int heads = pick(1, 2, 4);
        int hiddenSize = heads * 2 * random.nextInt(1, 5);
        List<Activation> activations = List.of(Activation.values());
        Activation activation = activations.get(random.nextInt(activations.size()));
        boolean deepSeek = family.startsWith("deepseek");
        AttentionSpec attention = deepSeek ? latent(heads) : grouped(heads, hiddenSize);
        DenseSpec dense = new DenseSpec(hiddenSize, random.nextInt(1, 20), activation, true);
        MoeSpec moe = moe(hiddenSize, activation);
        ModelSpec.Builder model = ModelSpec.builder()
                .setVocabSize(random.nextInt(1, 100))
                .setAttention(attention)
                .optMaxPositionEmbeddings(longest)
                .optRmsNormEps(random.nextDouble(1e-9, 1))
                .optTieWordEmbeddings(random.nextBoolean())
                .optInitializerRange(random.nextDouble(1e-9, 1));
        int firstMoe = random.nextInt(layers + 1);
        for (int i = 0; i < layers; i++) {
            boolean sparse = deepSeek ? i >= firstMoe : !family.startsWith("qwen") || random.nextInt(3) > 0;
            model.addLayers(1, sparse ? latent(moe) : dense);
        }
        return model.build();
    }

    private GroupedQueryAttentionSpec grouped(int heads, int hiddenSize) {
        boolean bias = random.nextBoolean();
        boolean qwen2 = family.equals("qwen2_moe");
        boolean mixtral = family.equals("mixtral");
        return new GroupedQueryAttentionSpec(
                heads,
                random.nextBoolean() ? heads : 1,
                random.nextBoolean() ? hiddenSize / heads : 2 * random.nextInt(1, 9),
                new RopeSpec(theta(), false, scaling(false)),
                bias && !mixtral,
                bias && !mixtral && !qwen2,
                mixtral || qwen2 ? QkNorm.NONE : family.equals("olmoe") ? QkNorm.FULL : QkNorm.PER_HEAD,
                family.equals("olmoe") && random.nextBoolean() ? random.nextDouble(0.5, 9) : Double.POSITIVE_INFINITY,
                family.equals("olmoe") || random.nextBoolean() ? Optional.empty() : Optional.of(window()));
    }

    private SlidingWindow window() {
        Set<Integer> sliding = new TreeSet<>();
        for (int i = 0; i < layers; i++) {
            if (!family.equals("qwen2_moe") || random.nextBoolean()) {
                sliding.add(i);
            }
        }
        return new SlidingWindow(random.nextInt(1, 99), sliding.isEmpty() ? Set.of(layers - 1) : sliding);
    }

    private LatentAttentionSpec latent(int heads) {
        boolean interleaved = family.equals("deepseek_v2") || random.nextBoolean();
        return new LatentAttentionSpec(
                heads,
                random.nextBoolean() ? 0 : random.nextInt(1, 9),
                random.nextInt(1, 9),
                random.nextInt(1, 9),
                2 * random.nextInt(1, 5),
                random.nextInt(1, 9),
                new RopeSpec(theta(), interleaved, scaling(true)),
                LatentAttentionSpec.NORM_EPS,
                random.nextBoolean());
    }

    private double theta() {
        return random.nextBoolean() ? 10_000 : random.nextDouble(2, 1e7);
    }

    private RopeScaling scaling(boolean deepSeek) {
        double factor = random.nextDouble(1, 50);
        int original = random.nextInt(1, longest + 1);
        return switch (random.nextInt(5)) {
            case 0 -> new RopeScaling.Linear(factor);
            case 1 -> new RopeScaling.Dynamic(factor, longest);
            case 2 -> new RopeScaling.Llama3(factor, 1.25, 1.25 + random.nextDouble(0.5, 4), original);
            case 3 -> {
                double mscale = deepSeek && random.nextBoolean() ? random.nextDouble(0.1, 2) : 0;
                double usual = RopeScaling.Yarn.attentionFactor(factor, mscale, mscale);
                yield new RopeScaling.Yarn(
                        factor,
                        original,
                        random.nextDouble(2, 40),
                        random.nextDouble(0.1, 2),
                        random.nextBoolean() ? usual : random.nextDouble(0.5, 2),
                        mscale == 0 ? 1 : RopeScaling.Yarn.mscale(factor, mscale),
                        random.nextBoolean());
            }
            default -> new RopeScaling.None();
        };
    }

    private MoeSpec moe(int hiddenSize, Activation activation) {
        int numExperts = 4 * random.nextInt(1, 4);
        int width = random.nextInt(1, 9);
        MoeSpec.Builder moe = MoeSpec.builder()
                .setHiddenSize(hiddenSize)
                .setIntermediateSize(width)
                .setNumExperts(numExperts)
                .setTopK(random.nextInt(1, numExperts / 2 + 1))
                .optActivation(activation)
                .optRouter(router());
        if (family.equals("qwen2_moe") && random.nextInt(4) > 0) {
            moe.optSharedExpert(new SharedExpertSpec(random.nextInt(1, 9), true));
        }
        if (family.startsWith("deepseek") && random.nextInt(4) > 0) {
            moe.optSharedExpert(SharedExpertSpec.of(width * random.nextInt(1, 4)));
        }
        return moe.build();
    }

    private RouterSpec router() {
        RouterSpec.Builder router = RouterSpec.builder()
                .optAuxLossCoef(random.nextInt(3) == 0 ? 0 : random.nextDouble(1e-5, 1))
                .optAuxLossScope(AuxLossScope.MODEL);
        if (family.equals("mixtral")) {
            return router.optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN).build();
        }
        router.optNormTopkProb(random.nextBoolean());
        if (family.startsWith("deepseek")) {
            router.optAuxLossScope(random.nextBoolean() ? AuxLossScope.SEQUENCE : AuxLossScope.LAYER)
                    .optRoutedScalingFactor(random.nextDouble(0.5, 20));
        }
        if (family.equals("deepseek_v2")) {
            boolean limited = random.nextBoolean();
            router.optNormTopkProb(false).optGroupLimit(limited ? 2 : 1, 1, GroupScore.MAX);
        } else if (family.equals("deepseek_v3")) {
            router.optScoreFunction(ScoreFunction.SIGMOID)
                    .optCorrectionBias(true)
                    .optGroupLimit(pick(1, 2), 1, GroupScore.TOP2_SUM);
        }
        return router.build();
    }

    /** Sometimes the layer with factored operators. */
    private MoeSpec latent(MoeSpec moe) {
        if (random.nextInt(3) > 0) {
            return moe;
        }
        List<LatentSpec> some = new ArrayList<>();
        some.add(LatentSpec.builder()
                .setLatentSize(random.nextInt(1, 9))
                .setGroupSize(random.nextInt(1, moe.numExperts() + 1))
                .build());
        some.add(LatentSpec.builder()
                .setLatentSize(2)
                .setGroupSize(moe.numExperts())
                .optTiedGateUp(true)
                .build());
        return moe.withLatent(some.get(random.nextInt(some.size())));
    }

    private int pick(int... values) {
        return values[random.nextInt(values.length)];
    }
}
