package ai.molae.djl.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.offset;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupScore;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** NaN and infinity in tokens, weights and router logits: they stay where they are, and no index follows from them. */
class NonFiniteNumbersTest {

    private static final float[] BAD = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY};

    /** Every way to choose experts. */
    private enum Router {
        SOFTMAX(RouterSpec.builder().build()),
        SOFTMAX_OVER_CHOSEN(RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN)
                .build()),
        SIGMOID_WITH_BIAS(RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SIGMOID)
                .optCorrectionBias(true)
                .build()),
        GROUPS_BY_MAXIMUM(
                RouterSpec.builder().optGroupLimit(2, 1, GroupScore.MAX).build()),
        GROUPS_BY_TOP_TWO(
                RouterSpec.builder().optGroupLimit(2, 1, GroupScore.TOP2_SUM).build()),
        CAPACITY(RouterSpec.builder().optCapacityFactor(1).build());

        private final RouterSpec spec;

        Router(RouterSpec spec) {
            this.spec = spec;
        }

        MoeSpec layer(MoeSpec spec) {
            return spec.toBuilder().optRouter(this.spec).build();
        }
    }

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private MoeBlock block(MoeSpec spec) {
        MoeBlock block = new MoeBlock(spec);
        block.initialize(manager, DataType.FLOAT32, new Shape(1, TinyBlocks.N));
        return block;
    }

    /** Tokens of which one, and of that one number, is bad. */
    private NDArray tokens(int count, int badToken, float bad) {
        float[] x = new float[count * TinyBlocks.N];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) Math.sin(i);
        }
        if (badToken >= 0) {
            x[badToken * TinyBlocks.N + 3] = bad;
        }
        return manager.create(x, new Shape(count, TinyBlocks.N));
    }

    private float[][] rows(NDArray y) {
        float[] flat = y.toFloatArray();
        return IntStream.range(0, flat.length / TinyBlocks.N)
                .mapToObj(i -> Arrays.copyOfRange(flat, i * TinyBlocks.N, (i + 1) * TinyBlocks.N))
                .toArray(float[][]::new);
    }

    @ParameterizedTest
    @EnumSource(Router.class)
    void aBadTokenIsNaNAndTheOthersAreAsWithoutIt(Router router) {
        for (MoeSpec form : new MoeSpec[] {TinyBlocks.MOE_SPEC, TinyBlocks.MOLAE_SPEC}) {
            for (Optional<Precision> prepared : precisions()) {
                MoeBlock block = block(router.layer(form));
                prepared.ifPresent(block::prepareForInference);
                // 7 tokens are sorted as a list, 90 as a tensor; the last one takes no other's place.
                for (int count : new int[] {7, 90}) {
                    float[][] clean = rows(TinyBlocks.forward(block, false, manager, tokens(count, -1, 0)));
                    for (float bad : BAD) {
                        float[][] y = rows(TinyBlocks.forward(block, false, manager, tokens(count, count - 1, bad)));
                        if (router != Router.CAPACITY) { // a full expert drops the last token
                            assertThat(y[count - 1])
                                    .as("%s %s %s", router, prepared, bad)
                                    .contains(Float.NaN);
                        }
                        for (int token = 0; token < count - 1; token++) {
                            // Up to rounding: an expert with a token less may multiply with another kernel.
                            assertThat(y[token])
                                    .as("%s %s %s, token %d", router, prepared, bad, token)
                                    .containsExactly(clean[token], offset(largest(clean) * 0.01f));
                        }
                    }
                }
            }
        }
    }

    private static float largest(float[][] rows) {
        float largest = 0;
        for (float[] row : rows) {
            for (float value : row) {
                largest = Math.max(largest, Math.abs(value));
            }
        }
        return largest;
    }

    private static Iterable<Optional<Precision>> precisions() {
        return List.of(
                Optional.empty(),
                Optional.of(Precision.FLOAT32),
                Optional.of(Precision.BFLOAT16),
                Optional.of(Precision.INT8));
    }

    @ParameterizedTest
    @EnumSource(Router.class)
    void aRouterOfBadWeightsChoosesExpertsThatThereAre(Router router) {
        for (float bad : BAD) {
            MoeBlock block = block(router.layer(TinyBlocks.MOLAE_SPEC));
            block.getDirectParameters().get("router").getArray().muli(bad);
            for (int count : new int[] {1, 7, 90}) {
                NDArray x = tokens(count, -1, 0);
                assertThat(TinyBlocks.forward(block, false, manager, x).getShape())
                        .isEqualTo(x.getShape());
                NDList out = block.forward(new ParameterStore(manager, false), new NDList(x), true);
                long[] load = out.get(2).toLongArray();
                assertThat(Arrays.stream(load).sum()).isEqualTo(2L * count);
                assertThat(Float.isFinite(out.get(1).getFloat())).isFalse();
                try (GradientTape tape = new GradientTape()) {
                    NDList taped = block.forward(new ParameterStore(manager, false), new NDList(x), true);
                    tape.backward(taped.get(0).sum());
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"layers.1.mlp.router", "layers.2.mlp.latent_in", "layers.0.self_attn.v_proj", "norm"})
    void aModelOfBadWeightsGeneratesNothingAndSaysWhy(String path) {
        for (float bad : BAD) {
            CausalLm model = TinyBlocks.model(manager);
            model.parametersByPath().get(path).getArray().muli(bad);
            for (Sampling sampling :
                    new Sampling[] {Sampling.greedy(3), Sampling.builder().build()}) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> new Generator(model).generate(new int[] {1, 2}, sampling))
                        .withMessageContainingAll("logit 0 is NaN", "weights");
            }
        }
    }

    /** libtorch's attention on the CPU makes zeros of a row of scores that are no numbers. */
    @ParameterizedTest
    @ValueSource(strings = {"layers.0.self_attn.q_proj", "layers.0.self_attn.k_proj"})
    void badQueriesAndKeysReachNoLogitAndArePackedInNoInt8(String path) {
        CausalLm model = TinyBlocks.model(manager);
        model.parametersByPath().get(path).getArray().muli(Float.NaN);
        for (float logit : TinyBlocks.MODEL.output(model)) {
            assertThat(logit).isFinite();
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> model.prepareForInference(Precision.INT8))
                .withMessageContaining(path.substring(path.lastIndexOf('.') + 1));
    }

    @Test
    void badWeightsAreNotPackedInInt8AndTheModelStaysAsItWas() {
        CausalLm model = TinyBlocks.model(manager);
        NDArray down = model.parametersByPath().get("layers.2.mlp.down").getArray();
        float[] before = down.toFloatArray();
        for (float bad : BAD) {
            float[] broken = before.clone();
            broken[5] = bad;
            down.set(broken);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> model.prepareForInference(Precision.INT8))
                    .withMessageContainingAll("parameter down", "INT8", "check where the weights come from");
            assertThat(model.preparedPrecision()).isEmpty();
        }
        down.set(before);
        model.prepareForInference(Precision.INT8);
        assertThat(new Generator(model).generate(new int[] {1, 2}, Sampling.greedy(3)))
                .hasSize(3);
    }
}
