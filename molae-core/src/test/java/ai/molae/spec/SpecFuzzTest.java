package ai.molae.spec;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.cost.ActivationPolicy;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.LayerCost;
import ai.molae.cost.LayerPart;
import ai.molae.cost.ModelCost;
import ai.molae.cost.StepSettings;
import ai.molae.testing.Choices;
import ai.molae.testing.Fuzz;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Any numbers at all: a spec whose costs are finite and not negative, or an {@link IllegalArgumentException} that says what is wrong. */
class SpecFuzzTest {

    private static final Integer[] SIZES = {
        1,
        2,
        4,
        3,
        8,
        64,
        0,
        -1,
        7,
        4096,
        65_536,
        1_000_000,
        1 << 28,
        (1 << 28) + 1,
        Integer.MAX_VALUE,
        Integer.MIN_VALUE
    };
    private static final Double[] NUMBERS = {
        1.0, 0.5, 0.0, -1.0, 2.0, 1e-6, 1e4, 40.0, Double.NaN, Double.POSITIVE_INFINITY, 1e308, 4.9e-324, -0.0
    };

    @Test
    void layersAreValidAndCostSomethingOrAreRefused() {
        Fuzz.Tally tally = fuzz("layer spec", 4000)
                .run(SpecFuzzTest::decisions, bytes -> noted(bytes, choices -> check(CostModel.layer(layer(choices)))));
        assertThat(Fuzz.isLong() || tally.worked() > 400).as("%s", tally).isTrue();
    }

    @Test
    void modelsAreValidAndCostSomethingOrAreRefused() {
        Fuzz.Tally tally = fuzz("model spec", 4000)
                .run(SpecFuzzTest::decisions, bytes -> noted(bytes, choices -> check(CostModel.model(model(choices)))));
        assertThat(Fuzz.isLong() || tally.worked() > 100).as("%s", tally).isTrue();
    }

    private static Fuzz fuzz(String name, int cases) {
        return Fuzz.of(name, cases).refusedBy(IllegalArgumentException.class);
    }

    private static byte[] decisions(SplittableRandom random) {
        byte[] bytes = new byte[120];
        random.nextBytes(bytes);
        // Mostly small sizes, or hardly any spec is valid.
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = random.nextInt(8) > 0 ? (byte) (bytes[i] & 1) : bytes[i];
        }
        return bytes;
    }

    private interface Body {
        void run(Choices choices);
    }

    /** A fault tells the numbers that were chosen. */
    private static void noted(byte[] bytes, Body body) {
        Choices choices = new Choices(bytes);
        try {
            body.run(choices);
        } catch (IllegalArgumentException e) {
            throw e;
        } catch (RuntimeException | AssertionError e) {
            throw new AssertionError(choices.toString(), e);
        }
    }

    private static int size(Choices choices, String name) {
        return choices.pick(name, SIZES);
    }

    private static double number(Choices choices, String name) {
        return choices.pick(name, NUMBERS);
    }

    private static MoeSpec layer(Choices choices) {
        MoeSpec.Builder builder = MoeSpec.builder()
                .setHiddenSize(size(choices, "hiddenSize"))
                .setIntermediateSize(size(choices, "intermediateSize"))
                .setNumExperts(size(choices, "numExperts"))
                .setTopK(size(choices, "topK"))
                .optActivation(choices.pick("activation", Activation.values()))
                .optGated(!choices.flag("ungated"));
        if (choices.flag("router")) {
            builder.optRouter(router(choices));
        }
        if (choices.flag("latent")) {
            builder.optLatent(latent(choices));
        }
        if (choices.flag("shared")) {
            builder.optSharedExpert(new SharedExpertSpec(size(choices, "sharedSize"), choices.flag("sigmoid")));
        }
        return builder.build();
    }

    private static RouterSpec router(Choices choices) {
        return RouterSpec.builder()
                .optScoreFunction(choices.pick("score", ScoreFunction.values()))
                .optNormTopkProb(choices.flag("norm"))
                .optRoutedScalingFactor(number(choices, "scale"))
                .optCorrectionBias(choices.flag("bias"))
                .optGroupLimit(
                        size(choices, "nGroup"), size(choices, "topkGroup"), choices.pick("group", GroupScore.values()))
                .optCapacityFactor(number(choices, "capacity"))
                .optAuxLossCoef(number(choices, "aux"))
                .optAuxLossScope(choices.pick("scope", AuxLossScope.values()))
                .optZLossCoef(number(choices, "z"))
                .build();
    }

    private static LatentSpec latent(Choices choices) {
        LatentSpec.Builder builder =
                LatentSpec.builder().setLatentSize(size(choices, "latentSize")).optTiedGateUp(choices.flag("tied"));
        if (choices.flag("groups")) {
            builder.setGroups(new ExpertGroups(List.of(choices.below(3) - 1, choices.below(3), choices.below(3))));
        } else {
            builder.setGroupSize(size(choices, "groupSize"));
        }
        if (choices.flag("factored")) {
            builder.optFactored(choices.pick("operator", ExpertOperator.values()));
        }
        if (choices.flag("own")) {
            builder.optLatentSize(choices.pick("operator", ExpertOperator.values()), size(choices, "ownSize"));
        }
        return builder.build();
    }

    private static ModelSpec model(Choices choices) {
        AttentionSpec attention = choices.flag("latentAttention") ? latentAttention(choices) : grouped(choices);
        int layers = 1 + choices.below(3);
        MoeSpec moe = layer(choices);
        List<FeedForwardSpec> feedForwards = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            feedForwards.add(
                    choices.flag("dense")
                            ? new DenseSpec(moe.hiddenSize(), size(choices, "denseSize"), Activation.SILU, true)
                            : moe);
        }
        return new ModelSpec(
                size(choices, "vocabSize"),
                moe.hiddenSize(),
                attention,
                feedForwards,
                size(choices, "positions"),
                number(choices, "eps"),
                choices.flag("tie"),
                number(choices, "range"));
    }

    private static AttentionSpec grouped(Choices choices) {
        return new GroupedQueryAttentionSpec(
                size(choices, "heads"),
                size(choices, "kvHeads"),
                2 * size(choices, "halfHeadDim"),
                rope(choices),
                choices.flag("qkvBias"),
                choices.flag("outputBias"),
                choices.pick("qkNorm", QkNorm.values()),
                number(choices, "clip"),
                choices.flag("window")
                        ? Optional.of(new SlidingWindow(size(choices, "window"), Set.of(choices.below(3) - 1)))
                        : Optional.empty());
    }

    private static AttentionSpec latentAttention(Choices choices) {
        return new LatentAttentionSpec(
                size(choices, "heads"),
                size(choices, "qLoraRank"),
                size(choices, "kvLoraRank"),
                size(choices, "nope"),
                2 * size(choices, "halfRope"),
                size(choices, "v"),
                rope(choices),
                number(choices, "normEps"),
                choices.flag("bias"));
    }

    private static RopeSpec rope(Choices choices) {
        RopeScaling scaling =
                switch (choices.pick("scaling", 0, 1, 2, 3, 4)) {
                    case 1 -> new RopeScaling.Linear(number(choices, "factor"));
                    case 2 -> new RopeScaling.Dynamic(number(choices, "factor"), size(choices, "original"));
                    case 3 -> new RopeScaling.Yarn(
                            number(choices, "factor"),
                            size(choices, "original"),
                            number(choices, "fast"),
                            number(choices, "slow"),
                            number(choices, "attention"),
                            number(choices, "mscale"),
                            choices.flag("truncate"));
                    case 4 -> new RopeScaling.Llama3(
                            number(choices, "factor"),
                            number(choices, "low"),
                            number(choices, "high"),
                            size(choices, "original"));
                    default -> new RopeScaling.None();
                };
        return new RopeSpec(number(choices, "theta"), choices.flag("interleaved"), scaling);
    }

    private static void check(LayerCost cost) {
        MoeSpec spec = cost.spec();
        long parameters = spec.parameters().stream()
                .mapToLong(parameter -> {
                    long product = 1;
                    for (long size : parameter.shape()) {
                        product = Math.multiplyExact(product, size);
                    }
                    return product;
                })
                .reduce(0, Math::addExact);
        assertThat(parameters).isEqualTo(cost.parameters()).isPositive();
        assertThat(spec.capacity(Integer.MAX_VALUE)).isBetween(0, Integer.MAX_VALUE);
        for (LayerPart part : LayerPart.values()) {
            assertThat(cost.parameters(part)).isNotNegative();
            assertThat(cost.forwardFlops(part)).isFinite().isNotNegative();
        }
        assertThat(cost.activeParameters()).isFinite().isPositive();
        assertThat(cost.touchedParameters(1000)).isFinite().isPositive();
        for (ElementType type : List.of(ElementType.FLOAT32, ElementType.BFLOAT16)) {
            assertThat(cost.weightBytes(type)).isPositive();
            assertThat(cost.decodeBytes(type, 8)).isFinite().isPositive();
            for (ActivationPolicy policy : ActivationPolicy.values()) {
                assertThat(cost.trainingBytes(type, type, 4096, policy).total())
                        .isFinite()
                        .isPositive();
            }
        }
    }

    private static void check(ModelCost cost) {
        ModelSpec spec = cost.spec();
        assertThat(cost.parameters()).isPositive();
        cost.parametersByPart().values().forEach(count -> assertThat(count).isNotNegative());
        assertThat(cost.activeParameters()).isFinite().isPositive();
        assertThat(cost.forwardFlops(spec.maxPositionEmbeddings())).isFinite().isPositive();
        assertThat(cost.trainingFlops(spec.maxPositionEmbeddings())).isFinite().isPositive();
        assertThat(cost.weightBytes(ElementType.FLOAT32)).isPositive();
        assertThat(cost.kvCacheBytesPerToken(ElementType.FLOAT32)).isPositive();
        assertThat(cost.decodeBytes(ElementType.FLOAT32, ElementType.BFLOAT16, 8, 4096)
                        .total())
                .isFinite()
                .isPositive();
        for (ActivationPolicy policy : ActivationPolicy.values()) {
            assertThat(cost.trainingBytes(ElementType.FLOAT32, ElementType.FLOAT32, 2, 4096, policy)
                            .total())
                    .isFinite()
                    .isPositive();
        }
        StepSettings settings =
                new StepSettings(ElementType.FLOAT32, 2, 4096, 0, 8, cost.trainableParameters(), Set.of());
        assertThat(cost.stepBytes(settings).total()).isFinite().isPositive();
        int dim = spec.attention() instanceof GroupedQueryAttentionSpec grouped
                ? grouped.headDim()
                : ((LatentAttentionSpec) spec.attention()).qkRopeHeadDim();
        if (dim <= 8192) {
            for (double frequency : spec.attention().rope().frequencies(dim, spec.maxPositionEmbeddings())) {
                assertThat(frequency).isFinite().isNotNegative();
            }
        }
    }
}
