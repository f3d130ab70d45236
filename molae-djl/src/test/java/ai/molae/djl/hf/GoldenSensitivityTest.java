package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.RopeScaling;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.io.IOException;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What other software got wrong, done wrong on purpose: the golden logits are then missed by more than the tolerance of {@link GoldenTest}, which
 * so guards against each of these.
 */
class GoldenSensitivityTest {

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    @SuppressWarnings("ImmutableEnumChecker") // functions without state
    enum Mistake {
        INNER_NORMS_OF_LATENT_ATTENTION_WITH_THE_OUTER_EPSILON(
                "deepseek_v3-a", latent((a, eps) -> latent(a, a.rope(), eps))),
        ROPE_OF_LATENT_ATTENTION_IN_HALVES_AND_NOT_IN_PAIRS(
                "deepseek_v3-a",
                latent((a, eps) ->
                        latent(a, new RopeSpec(a.rope().theta(), false, a.rope().scaling()), a.normEps()))),
        YARN_WITHOUT_MSCALE("deepseek_v2-c", yarn(m -> 1)),
        YARN_WITH_MSCALE_NOT_SQUARED("deepseek_v2-c", yarn(Math::sqrt)),
        YARN_NOT_AT_ALL(
                "deepseek_v2-c",
                latent((a, eps) ->
                        latent(a, new RopeSpec(a.rope().theta(), true, new RopeScaling.None()), a.normEps()))),
        QWEN2_MOE_NORMALISED("qwen2_moe-a", router(r -> r.optNormTopkProb(true))),
        QWEN3_MOE_NOT_NORMALISED("qwen3_moe-a", router(r -> r.optNormTopkProb(false))),
        OLMOE_NORMALISED("olmoe-a", router(r -> r.optNormTopkProb(true))),
        MIXTRAL_NOT_NORMALISED("mixtral-a", router(r -> r.optScoreFunction(ScoreFunction.SOFTMAX)
                .optNormTopkProb(false))),
        DEEPSEEK_V2_NORMALISED("deepseek_v2-a", router(r -> r.optNormTopkProb(true))),
        DEEPSEEK_V3_NOT_SCALED("deepseek_v3-a", router(r -> r.optRoutedScalingFactor(1))),
        DEEPSEEK_V3_NOT_NORMALISED("deepseek_v3-a", router(r -> r.optNormTopkProb(false))),
        DEEPSEEK_V3_WITH_SOFTMAX("deepseek_v3-a", router(r -> r.optScoreFunction(ScoreFunction.SOFTMAX))),
        ANOTHER_ROPE_THETA(
                "qwen3_moe-a", spec -> with(spec, grouped((GroupedQueryAttentionSpec) spec.attention(), 1e4)));

        private final String golden;
        private final UnaryOperator<ModelSpec> change;

        Mistake(String golden, UnaryOperator<ModelSpec> change) {
            this.golden = golden;
            this.change = change;
        }
    }

    private interface LatentChange {
        LatentAttentionSpec apply(LatentAttentionSpec attention, double outerEps);
    }

    private interface MscaleChange {
        double apply(double m);
    }

    private interface RouterChange {
        RouterSpec.Builder apply(RouterSpec.Builder router);
    }

    private static UnaryOperator<ModelSpec> latent(LatentChange change) {
        return spec -> with(spec, change.apply((LatentAttentionSpec) spec.attention(), spec.rmsNormEps()));
    }

    private static LatentAttentionSpec latent(LatentAttentionSpec a, RopeSpec rope, double eps) {
        return new LatentAttentionSpec(
                a.numAttentionHeads(),
                a.qLoraRank(),
                a.kvLoraRank(),
                a.qkNopeHeadDim(),
                a.qkRopeHeadDim(),
                a.vHeadDim(),
                rope,
                eps,
                a.bias());
    }

    private static UnaryOperator<ModelSpec> yarn(MscaleChange change) {
        return latent((a, eps) -> {
            RopeScaling.Yarn yarn = (RopeScaling.Yarn) a.rope().scaling();
            RopeScaling changed = new RopeScaling.Yarn(
                    yarn.factor(),
                    yarn.originalMaxPositionEmbeddings(),
                    yarn.betaFast(),
                    yarn.betaSlow(),
                    yarn.attentionFactor(),
                    change.apply(yarn.softmaxMscale()),
                    yarn.truncate());
            return latent(a, new RopeSpec(a.rope().theta(), true, changed), a.normEps());
        });
    }

    private static GroupedQueryAttentionSpec grouped(GroupedQueryAttentionSpec a, double theta) {
        return new GroupedQueryAttentionSpec(
                a.numAttentionHeads(), a.numKeyValueHeads(), a.headDim(), theta, a.qkvBias(), a.qkNorm());
    }

    private static UnaryOperator<ModelSpec> router(RouterChange change) {
        return spec -> spec.mapMoe(moe -> moe.toBuilder()
                .optRouter(change.apply(moe.router().toBuilder()).build())
                .build());
    }

    private static ModelSpec with(ModelSpec spec, AttentionSpec attention) {
        return new ModelSpec(
                spec.vocabSize(),
                spec.hiddenSize(),
                attention,
                spec.feedForwards(),
                spec.maxPositionEmbeddings(),
                spec.rmsNormEps(),
                spec.tieWordEmbeddings(),
                spec.initializerRange());
    }

    /** The largest distance from the golden logits of a model with golden parameters. */
    private double error(GoldenCase golden, ModelSpec spec) throws IOException {
        CausalLm model = CausalLm.builder().setSpec(spec).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        Map<String, Parameter> right = Loading.load(manager, golden.folder()).parametersByPath();
        model.parametersByPath()
                .forEach((path, parameter) ->
                        parameter.getArray().set(right.get(path).getArray().toFloatArray()));
        float[] logits = model.forward(
                        new ParameterStore(manager, false), new NDList(manager.create(golden.inputIds())), false)
                .head()
                .toFloatArray();
        double[] expected = golden.doubles("logits");
        double error = 0;
        for (int i = 0; i < expected.length; i++) {
            error = Math.max(error, Math.abs(logits[i] - expected[i]));
        }
        return error;
    }

    @ParameterizedTest
    @EnumSource(Mistake.class)
    void theGoldenLogitsNotice(Mistake mistake) throws IOException {
        GoldenCase golden = GoldenCase.of(mistake.golden);
        ModelSpec spec = CheckpointConfig.parse(Golden.config(mistake.golden)).spec();
        ModelSpec wrong = mistake.change.apply(spec);
        assertThat(wrong).isNotEqualTo(spec);
        assertThat(error(golden, wrong)).isGreaterThan(2 * GoldenTest.LOGIT_TOLERANCE);
        assertThat(error(golden, spec)).isLessThan(GoldenTest.LOGIT_TOLERANCE);
    }
}
