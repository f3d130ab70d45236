package ai.molae.djl.convert.calibrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.testing.RandomSpecs;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Moments as their definition has them, and when they are refused. */
class MomentAccumulatorTest {

    private static final MomentSettings ALL = new MomentSettings(true, InnerMoments.FULL);
    private static final MoeSpec SMALL = MoeSpec.builder()
            .setHiddenSize(4)
            .setIntermediateSize(3)
            .setNumExperts(5)
            .setTopK(2)
            .build();

    /** Any standard layer: every activation, gated or not, every router. */
    @Test
    void momentsAreThoseOfTheDefinition() {
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < 60; i++) {
            MoeSpec drawn = RandomSpecs.next(random).withoutLatent();
            MoeSpec spec = drawn.toBuilder()
                    .optActivation(Activation.values()[i % Activation.values().length])
                    .build();
            int tokens = random.nextInt(0, 20);
            MomentCase layer = MomentCase.draw(dropless(spec), tokens, random);
            ReferenceMoments expected = new ReferenceMoments(layer.spec(), layer.parameters(), layer.xTn());
            // The block has the capacity, which moments leave aside.
            MomentCase limited = new MomentCase(spec, layer.parameters(), layer.xTn());
            InnerMoments inner = InnerMoments.values()[random.nextInt(3)];
            boolean inputs = random.nextBoolean();
            try (NDManager manager = NDManager.newBaseManager("PyTorch");
                    MomentAccumulator moments =
                            new MomentAccumulator(limited.block(manager), new MomentSettings(inputs, inner))) {
                int cut = random.nextInt(tokens + 1);
                moments.add(limited.x(manager, 0, cut));
                moments.add(limited.x(manager, cut, tokens).expandDims(1));
                String what = "layer " + i + ": " + spec;
                assertCounted(moments, expected, tokens, what);
                assertClose(moments.input(manager), ReferenceMoments.flat(expected.input), what);
                for (int e = 0; e < spec.numExperts(); e++) {
                    Optional<NDArray> input = moments.input(manager, e);
                    assertThat(input.isPresent()).isEqualTo(inputs);
                    if (inputs) {
                        assertClose(input.get(), ReferenceMoments.flat(expected.expertInputs[e]), what);
                    }
                    assertInner(moments, manager, ExpertOperator.DOWN, e, InnerMoments.FULL, expected.down[e], what);
                    assertInner(moments, manager, ExpertOperator.UP, e, inner, expected.up[e], what);
                    InnerMoments ofGate = spec.gated() ? inner : InnerMoments.NONE;
                    assertInner(moments, manager, ExpertOperator.GATE, e, ofGate, expected.gate[e], what);
                }
            }
        }
    }

    private static MoeSpec dropless(MoeSpec spec) {
        RouterSpec router = spec.router().toBuilder()
                .optCapacityFactor(Double.POSITIVE_INFINITY)
                .build();
        return spec.toBuilder().optRouter(router).build();
    }

    private static void assertCounted(LayerMoments moments, ReferenceMoments expected, int tokens, String what) {
        ExpertStatistics statistics = moments.statistics();
        assertThat(statistics.tokens()).as(what).isEqualTo(tokens);
        assertThat(statistics.counts()).as(what).isEqualTo(expected.counts);
        assertThat(statistics.coActivation()).as(what).isDeepEqualTo(expected.coActivation);
        assertClose(statistics.gateMass(), expected.gateMass, what);
        assertClose(statistics.softMass(), expected.softMass, what);
        assertClose(statistics.outputNorm(), expected.outputNorm, what);
        assertClose(statistics.weightedOutputNorm(), expected.weightedOutputNorm, what);
    }

    private static void assertInner(
            LayerMoments moments,
            NDManager manager,
            ExpertOperator operator,
            int expert,
            InnerMoments collected,
            double[][] expected,
            String what) {
        Optional<NDArray> actual = moments.inner(manager, operator, expert);
        String which = operator + " of expert " + expert + " of " + what;
        switch (collected) {
            case NONE -> assertThat(actual).as(which).isEmpty();
            case DIAGONAL -> assertClose(actual.get(), ReferenceMoments.diagonal(expected), which);
            case FULL -> assertClose(actual.get(), ReferenceMoments.flat(expected), which);
        }
    }

    private static void assertClose(NDArray actual, double[] expected, String what) {
        assertThat(actual.getDataType()).isEqualTo(DataType.FLOAT64);
        assertClose(actual.toDoubleArray(), expected, what);
    }

    /** Activations are float32. */
    private static void assertClose(double[] actual, double[] expected, String what) {
        double largest = Arrays.stream(expected).map(Math::abs).max().orElse(0);
        assertThat(actual).as(what).containsExactly(expected, within(1e-5 * largest + 1e-12));
    }

    @Test
    void sumsOverBatchesAreSumsOverTokens() {
        MomentCase layer = MomentCase.draw(SMALL, 5000, new SplittableRandom(6));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                MomentAccumulator whole = new MomentAccumulator(layer.block(manager), ALL);
                MomentAccumulator halves = new MomentAccumulator(layer.block(manager), ALL)) {
            whole.add(layer.x(manager, 0, 5000));
            halves.add(layer.x(manager, 2000, 5000));
            halves.add(layer.x(manager, 0, 2000));
            assertSame(whole, halves, 1e-12);
        }
    }

    private static void assertSame(LayerMoments a, LayerMoments b, double relative) {
        assertThat(a.statistics())
                .usingRecursiveComparison()
                .ignoringFieldsOfTypes(double[].class)
                .isEqualTo(b.statistics());
        assertThat(a.statistics().softMass())
                .containsExactly(
                        b.statistics().softMass(),
                        within(relative * b.statistics().tokens()));
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertSame(a.input(manager), b.input(manager), relative);
            for (int e = 0; e < a.spec().numExperts(); e++) {
                assertSame(a.input(manager, e).get(), b.input(manager, e).get(), relative);
                for (ExpertOperator operator : a.spec().operators()) {
                    assertSame(
                            a.inner(manager, operator, e).get(),
                            b.inner(manager, operator, e).get(),
                            relative);
                }
            }
        }
    }

    private static void assertSame(NDArray a, NDArray b, double relative) {
        double[] expected = b.toDoubleArray();
        double largest = Arrays.stream(expected).map(Math::abs).max().orElse(0);
        assertThat(a.toDoubleArray()).containsExactly(expected, within(relative * largest));
    }

    @Test
    void anExpertWithoutTokensHasZeroMoments() {
        MomentCase drawn = MomentCase.draw(SMALL, 6, new SplittableRandom(7));
        // No logit of expert 3 is greater than those of two others.
        double[] router = drawn.parameters().get("router");
        Arrays.fill(router, 0);
        IntStream.range(0, 6).forEach(t -> drawn.xTn()[t][0] = 1 + t);
        router[3 * 4] = -1;
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                MomentAccumulator moments = new MomentAccumulator(drawn.block(manager), ALL)) {
            moments.add(drawn.x(manager, 0, 6));
            ExpertStatistics statistics = moments.statistics();
            assertThat(statistics.counts()).containsExactly(6, 6, 0, 0, 0);
            assertThat(statistics.outputNorm()[3]).isZero();
            assertThat(statistics.coActivation()[0]).containsExactly(6, 6, 0, 0, 0);
            assertThat(moments.input(manager, 3).get().abs().max().getDouble()).isZero();
            assertThat(moments.inner(manager, ExpertOperator.GATE, 3)
                            .get()
                            .abs()
                            .max()
                            .getDouble())
                    .isZero();
        }
    }

    @ParameterizedTest
    @CsvSource({"false, NONE", "true, DIAGONAL", "false, FULL"})
    void theMemoryIsAsAnnounced(boolean inputs, InnerMoments inner) {
        // 8 (4² + 5 · 3² + 4 · 5 + 5²) and what is asked for besides: 5 · 4², 2 · 5 · 3, 2 · 5 · 3²
        long expected = 8L * (106 + (inputs ? 80 : 0) + List.of(0, 30, 90).get(inner.ordinal()));
        assertThat(new MomentSettings(inputs, inner).bytes(SMALL)).isEqualTo(expected);
    }

    @Test
    void layersWithoutMatricesOfTheirOwnAreRefused() {
        MoeSpec molae = SMALL.withLatent(LatentSpec.builder()
                .setLatentSize(2)
                .setGroupSize(5)
                .optFactored(ExpertOperator.DOWN)
                .build());
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new MomentAccumulator(initialized(molae, manager), ALL))
                    .withMessageContaining("this one is factored already")
                    .withMessageContaining("calibrate the model it was made of");
            MoeBlock adapted = initialized(SMALL, manager);
            adapted.addAdapters(List.of("down"), 1, 1);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new MomentAccumulator(adapted, ALL))
                    .withMessageContaining("merge or remove them first");
            MoeBlock prepared = initialized(SMALL, manager);
            prepared.prepareForInference(Precision.INT8);
            assertThatIllegalStateException()
                    .isThrownBy(() -> new MomentAccumulator(prepared, ALL))
                    .withMessageContaining("prepared for inference in INT8");
            assertThatIllegalStateException()
                    .isThrownBy(() -> new MomentAccumulator(new MoeBlock(SMALL), ALL))
                    .withMessageContaining("initialize or load it first");
        }
    }

    @Test
    void otherArraysThanTheLayersInputAreRefused() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                MomentAccumulator moments = new MomentAccumulator(initialized(SMALL, manager), ALL)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> moments.add(manager.zeros(new Shape(2, 5))))
                    .withMessageContaining("[..., hiddenSize = 4] float32, got float32 (2, 5)");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> moments.add(manager.zeros(new Shape(2, 4), DataType.FLOAT64)))
                    .withMessageContaining("got float64 (2, 4)");
            assertThat(moments.statistics().tokens()).isZero();
        }
    }

    private static MoeBlock initialized(MoeSpec spec, NDManager manager) {
        MoeBlock block = new MoeBlock(spec);
        block.initialize(manager, DataType.FLOAT32, new Shape(1, spec.hiddenSize()));
        return block;
    }
}
