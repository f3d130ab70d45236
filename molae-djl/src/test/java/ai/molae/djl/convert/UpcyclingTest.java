package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.Activation;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupScore;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class UpcyclingTest {

    private static final int VOCAB = 32;
    private static final int HIDDEN = 16;
    private static final int WIDTH = 24;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private CausalLm dense(Activation activation, boolean gated) {
        Engine.getEngine("PyTorch").setRandomSeed(3);
        CausalLm model = CausalLm.builder()
                .setSpec(ModelSpec.builder()
                        .setVocabSize(VOCAB)
                        .setAttention(GroupedQueryAttentionSpec.of(2, 1, 8))
                        .addLayers(2, new DenseSpec(HIDDEN, WIDTH, activation, gated))
                        .optMaxPositionEmbeddings(16)
                        .optInitializerRange(0.3)
                        .build())
                .build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 4));
        return model;
    }

    private static MoeSpec.Builder moe(int width, int experts, int topK) {
        return MoeSpec.builder()
                .setHiddenSize(HIDDEN)
                .setIntermediateSize(width)
                .setNumExperts(experts)
                .setTopK(topK);
    }

    private float[] logits(CausalLm model) {
        long[] tokens = {1, 5, 9, 31, 0, 7, 7, 2, 30, 12, 4, 8};
        try (NDManager scope = manager.newSubManager()) {
            return model.forward(
                            new ParameterStore(scope, false), new NDList(scope.create(tokens, new Shape(2, 6))), false)
                    .head()
                    .toFloatArray();
        }
    }

    private static double difference(float[] a, float[] b) {
        double most = 0;
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            most = Math.max(most, Math.abs(a[i] - b[i]));
            largest = Math.max(largest, Math.abs(a[i]));
        }
        return most / largest;
    }

    static Stream<Arguments> normalised() {
        RouterSpec chosen = RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN)
                .optRoutedScalingFactor(2.5)
                .build();
        RouterSpec sigmoid =
                RouterSpec.builder().optScoreFunction(ScoreFunction.SIGMOID).build();
        return Stream.of(
                Arguments.of(
                        "copies, top 2", Activation.SILU, true, moe(WIDTH, 4, 2).build()),
                Arguments.of(
                        "copies, top 1", Activation.SILU, true, moe(WIDTH, 4, 1).build()),
                Arguments.of(
                        "halves", Activation.SILU, true, moe(WIDTH / 2, 8, 2).build()),
                Arguments.of(
                        "thirds, two copies chosen",
                        Activation.GELU,
                        true,
                        moe(WIDTH / 3, 12, 6).build()),
                Arguments.of(
                        "weights scaled afterwards",
                        Activation.SILU,
                        true,
                        moe(WIDTH / 4, 8, 4).optRouter(chosen).build()),
                Arguments.of(
                        "sigmoid",
                        Activation.SILU,
                        true,
                        moe(WIDTH / 2, 8, 4).optRouter(sigmoid).build()),
                Arguments.of(
                        "ungated",
                        Activation.RELU_SQUARED,
                        false,
                        moe(WIDTH / 2, 4, 2)
                                .optGated(false)
                                .optActivation(Activation.RELU_SQUARED)
                                .build()));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("normalised")
    void computesWhatTheDenseModelDidWhateverTheRouterSays(
            String name, Activation activation, boolean gated, MoeSpec moe) {
        CausalLm dense = dense(activation, gated);
        MoeSpec fitting = moe.toBuilder().optActivation(activation).build();

        CausalLm upcycled = Upcycling.of(dense, fitting, manager, Precision.FLOAT32);

        assertThat(upcycled.spec().feedForwards()).containsOnly(fitting);
        assertThat(difference(logits(dense), logits(upcycled))).isLessThan(2e-6);
    }

    @Test
    void withWeightsThatAreNotNormalisedItIsCloseWhileTheRouterIsUndecided() {
        CausalLm dense = dense(Activation.SILU, true);
        MoeSpec moe = moe(WIDTH / 2, 8, 4)
                .optRouter(RouterSpec.builder().optNormTopkProb(false).build())
                .build();

        CausalLm upcycled = Upcycling.of(dense, moe, manager, Precision.FLOAT32);
        upcycled.parametersByPath().forEach((path, parameter) -> {
            if (path.endsWith("router")) {
                parameter.getArray().muli(1e-4f);
            }
        });

        assertThat(difference(logits(dense), logits(upcycled))).isLessThan(1e-3);
    }

    @Test
    void theShardsOfACopyScoreAlikeAndCopiesDoNot() {
        CausalLm upcycled =
                Upcycling.of(dense(Activation.SILU, true), moe(WIDTH / 2, 6, 2).build(), manager, Precision.FLOAT32);

        float[] router = upcycled.parametersByPath()
                .get("layers.1.mlp.router")
                .getArray()
                .toFloatArray();

        for (int expert = 0; expert < 6; expert++) {
            for (int other = 0; other < expert; other++) {
                boolean same = router[expert * HIDDEN] == router[other * HIDDEN];
                assertThat(same).as(expert + " and " + other).isEqualTo(expert / 2 == other / 2);
            }
        }
    }

    @Test
    void onlyTheChosenLayersChange() {
        CausalLm dense = dense(Activation.SILU, true);

        CausalLm upcycled =
                Upcycling.of(dense, moe(WIDTH, 4, 2).build(), layer -> layer == 1, manager, Precision.FLOAT32);

        assertThat(upcycled.spec().feedForwards().get(0)).isInstanceOf(DenseSpec.class);
        assertThat(upcycled.spec().feedForwards().get(1)).isInstanceOf(MoeSpec.class);
        assertThat(difference(logits(dense), logits(upcycled))).isLessThan(2e-6);
        assertThatThrownBy(
                        () -> Upcycling.of(dense, moe(WIDTH, 4, 2).build(), layer -> false, manager, Precision.FLOAT32))
                .hasMessageContaining("none of the 2 layers is dense and chosen");
    }

    @Test
    void sizesThatDoNotFitAreRefusedWithTheNumbers() {
        CausalLm dense = dense(Activation.SILU, true);

        for (MoeSpec wrong : new MoeSpec[] {
            moe(10, 4, 2).build(),
            moe(WIDTH / 2, 5, 2).build(),
            moe(WIDTH / 2, 4, 1).build(),
            moe(WIDTH, 4, 2).optActivation(Activation.RELU).build(),
            moe(WIDTH, 4, 2).optGated(false).build(),
            moe(WIDTH / 2, 6, 2)
                    .optRouter(RouterSpec.builder()
                            .optGroupLimit(2, 1, GroupScore.MAX)
                            .build())
                    .build(),
            moe(WIDTH, 4, 2)
                    .optLatent(LatentSpec.builder()
                            .setLatentSize(4)
                            .setGroupSize(4)
                            .build())
                    .build()
        }) {
            assertThatThrownBy(() -> Upcycling.of(dense, wrong, manager, Precision.FLOAT32))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("layer 0 (hidden size 16, width 24, SILU, gated) cannot become "
                            + wrong.numExperts() + " experts");
        }
    }

    @Test
    void anOperatorThatIsNotFactoredIsCopiedOutOfTheFusedStack() {
        CausalLm moe =
                Upcycling.of(dense(Activation.SILU, true), moe(WIDTH, 4, 2).build(), manager, Precision.FLOAT32);
        LatentSpec upOnly = LatentSpec.builder()
                .optFactored(ExpertOperator.UP)
                .setLatentSize(8)
                .setGroupSize(2)
                .build();

        CausalLm molae = LatentWarmStart.of(moe, upOnly, manager, Precision.FLOAT32);

        MoeBlock from = (MoeBlock) moe.layers().get(1).feedForward();
        MoeBlock to = (MoeBlock) molae.layers().get(1).feedForward();
        for (ExpertOperator operator : new ExpertOperator[] {ExpertOperator.GATE, ExpertOperator.DOWN}) {
            for (int expert = 0; expert < 4; expert++) {
                assertThat(ExpertMatrices.of(manager, to, expert, operator).toFloatArray())
                        .as(operator + " of " + expert)
                        .isEqualTo(ExpertMatrices.of(manager, from, expert, operator)
                                .toFloatArray());
            }
        }
    }

    @Test
    void aMolaeStartsWithEverythingOfItsMoeThatIsNotFactored() {
        CausalLm moe =
                Upcycling.of(dense(Activation.SILU, true), moe(WIDTH, 4, 2).build(), manager, Precision.FLOAT32);
        LatentSpec latent =
                LatentSpec.builder().setLatentSize(8).setGroupSize(2).build();

        CausalLm molae = LatentWarmStart.of(moe, latent, manager, Precision.FLOAT32);

        assertThat(((MoeSpec) molae.spec().feedForwards().get(0)).latent()).contains(latent);
        for (String path : new String[] {"embed_tokens", "layers.0.self_attn.q_proj", "layers.1.mlp.router", "norm"}) {
            assertThat(molae.parametersByPath().get(path).getArray().toFloatArray())
                    .as(path)
                    .isEqualTo(moe.parametersByPath().get(path).getArray().toFloatArray());
        }
        assertThatThrownBy(() -> LatentWarmStart.of(molae, latent, manager, Precision.FLOAT32))
                .hasMessageContaining("factored already");
        assertThatThrownBy(() -> LatentWarmStart.of(dense(Activation.SILU, true), latent, manager, Precision.FLOAT32))
                .hasMessageContaining("none of the 2 layers is a MoE layer");
    }
}
