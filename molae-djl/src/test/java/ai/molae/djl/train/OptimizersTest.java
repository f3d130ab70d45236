package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What all optimizers have in common: groups, clipping, state. */
class OptimizersTest {

    private static final AdamWSpec ADAMW = AdamWSpec.builder().build();
    private static final String ROUTER = "layers.0.mlp.router";
    private static final String STACK = "layers.0.mlp.gate_up";

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    static Stream<OptimizerSpec> specs() {
        return Stream.of(
                ADAMW,
                AdamWSpec.builder().optSecondMoment(SecondMoment.FACTORED).build(),
                AdamWSpec.builder().optSecondMoment(SecondMoment.EIGHT_BIT).build(),
                MuonSpec.builder().build(),
                SgdSpec.plain(),
                SgdSpec.nesterov(0.9));
    }

    /** The stack has 4200 elements, enough for 8-bit moments, and no whole number of their blocks. */
    private TrainedArrays arrays() {
        return new TrainedArrays(manager, 3)
                .matrix("embed_tokens", 5, 4)
                .matrix(ROUTER, 3, 4)
                .matrix(STACK, 3, 20, 70)
                .vector("norm", 4);
    }

    private Optimizer optimizer(TrainedArrays arrays, OptimizerSpec spec, ParameterGroup... groups) {
        return Optimizers.of(manager, arrays.byPath(), spec, List.of(groups));
    }

    private static Map<String, double[]> values(TrainedArrays arrays) {
        Map<String, double[]> values = new LinkedHashMap<>();
        arrays.byPath().keySet().forEach(path -> values.put(path, arrays.values(path)));
        return values;
    }

    private static void assertSame(Map<String, double[]> actual, Map<String, double[]> expected) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach((path, values) -> assertThat(actual.get(path)).as(path).isEqualTo(values));
    }

    // ---- state ----

    @ParameterizedTest
    @MethodSource("specs")
    void goesOnFromItsStateBitByBit(OptimizerSpec spec) {
        ParameterGroup group = ParameterGroup.warmup("**.router", 800);
        TrainedArrays whole = arrays();
        TrainedArrays resumed = arrays();
        try (Optimizer optimizer = optimizer(whole, spec, group)) {
            steps(optimizer, whole, 0, 5);
            try (Optimizer next = optimizer(resumed, spec, group)) {
                whole.byPath().forEach((path, parameter) -> parameter
                        .getArray()
                        .copyTo(resumed.parameter(path).getArray()));
                assertThat(next.state().keySet()).isEqualTo(optimizer.state().keySet());
                optimizer
                        .state()
                        .forEach((name, array) -> array.copyTo(next.state().get(name)));
                steps(optimizer, whole, 5, 10);
                steps(next, resumed, 5, 10);
            }
        }
        assertSame(values(resumed), values(whole));
    }

    private static void steps(Optimizer optimizer, TrainedArrays arrays, int from, int to) {
        for (int step = from; step < to; step++) {
            arrays.backward(arrays.randomGradients(step));
            optimizer.step(0.01, 100L * (step + 1), 1);
        }
    }

    @Test
    void namesItsStateByPath() {
        assertThat(names(ADAMW))
                .contains("step", "norm.exp_avg", "norm.exp_avg_sq", STACK + ".exp_avg")
                .hasSize(9);
        assertThat(names(AdamWSpec.builder()
                        .optSecondMoment(SecondMoment.FACTORED)
                        .build()))
                .contains(STACK + ".exp_avg_sq_row", STACK + ".exp_avg_sq_col", "norm.exp_avg_sq");
        assertThat(names(AdamWSpec.builder()
                        .optSecondMoment(SecondMoment.EIGHT_BIT)
                        .build()))
                .contains(STACK + ".exp_avg_codes", STACK + ".exp_avg_sq_scales", ROUTER + ".exp_avg_sq");
        assertThat(names(MuonSpec.builder().build()))
                .contains(STACK + ".momentum", ROUTER + ".exp_avg", "embed_tokens.exp_avg_sq", "norm.exp_avg");
        assertThat(names(SgdSpec.plain())).containsExactly("step");
    }

    private List<String> names(OptimizerSpec spec) {
        try (Optimizer optimizer = optimizer(arrays(), spec)) {
            return List.copyOf(optimizer.state().keySet());
        }
    }

    /** Bytes of state for an element of a matrix of 1000 x 1000. */
    @Test
    void holdsAsManyBytesAsItSays() {
        Map<SecondMoment, Double> bytes = new HashMap<>();
        for (SecondMoment moment : SecondMoment.values()) {
            TrainedArrays large = new TrainedArrays(manager, 1).matrix("w", 1000, 1000);
            try (Optimizer optimizer =
                    optimizer(large, AdamWSpec.builder().optSecondMoment(moment).build())) {
                long sum = optimizer.state().values().stream()
                        .mapToLong(array -> array.size() * array.getDataType().getNumOfBytes())
                        .sum();
                bytes.put(moment, sum / 1e6);
            }
        }
        assertThat(bytes.get(SecondMoment.FULL)).isCloseTo(8, within(0.001));
        assertThat(bytes.get(SecondMoment.FACTORED)).isCloseTo(4.008, within(0.001));
        assertThat(bytes.get(SecondMoment.EIGHT_BIT)).isCloseTo(2.031, within(0.001));
    }

    @ParameterizedTest
    @MethodSource("specs")
    void leavesNothingBehindAfterClose(OptimizerSpec spec) {
        TrainedArrays arrays = arrays();
        int before = manager.getManagedArrays().size();
        try (Optimizer optimizer = optimizer(arrays, spec)) {
            steps(optimizer, arrays, 0, 3);
        }
        assertThat(manager.getManagedArrays()).hasSize(before);
    }

    /** Eight arrays of 1 MB beside a parameter of 32 MB and its gradient. */
    @ParameterizedTest
    @MethodSource("specs")
    void needsLittleMemoryForAStep(OptimizerSpec spec) {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        TrainedArrays arrays = new TrainedArrays(manager, 1).matrix("stack", 128, 256, 256);
        try (Optimizer optimizer = optimizer(arrays, spec);
                NDManager scope = manager.newSubManager()) {
            NDArray gradient = scope.full(new Shape(128, 256, 256), 1f);
            for (int i = 0; i < 2; i++) {
                try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                    collector.backward(
                            gradient.mul(arrays.parameter("stack").getArray()).sum());
                }
                long before = NativeMemory.inUse().orElseThrow();
                try (NativeMemory.Peak peak = NativeMemory.watchPeak()) {
                    optimizer.step(0.01, 1, 1);
                    if (i == 1) {
                        assertThat(peak.bytes().orElseThrow() - before).isLessThan(20_000_000);
                    }
                }
            }
        }
    }

    // ---- groups ----

    @Test
    void theFirstGroupThatMatchesDecides() {
        TrainedArrays grouped = arrays();
        TrainedArrays plain = arrays();
        Map<String, float[]> gradients = grouped.randomGradients(1);
        Map<String, double[]> before = values(grouped);
        step(
                grouped,
                gradients,
                SgdSpec.plain(),
                100,
                new ParameterGroup("*.0.**.router", 3, OptionalDouble.empty(), 400),
                ParameterGroup.learningRate("layers.*.mlp.*", 5),
                ParameterGroup.weightDecay("norm", 0.5));
        step(plain, gradients, SgdSpec.plain(), 100);

        assertThat(factor(grouped, plain, before, ROUTER)).isCloseTo(3 * 100 / 400.0, within(1e-4));
        assertThat(factor(grouped, plain, before, STACK)).isCloseTo(5, within(1e-3));
        assertThat(factor(grouped, plain, before, "embed_tokens")).isCloseTo(1, within(1e-6));
        double expected = plain.values("norm")[0] - 0.1 * 0.5 * before.get("norm")[0];
        assertThat(grouped.values("norm")[0]).isCloseTo(expected, within(1e-6));
    }

    private void step(
            TrainedArrays arrays,
            Map<String, float[]> gradients,
            OptimizerSpec spec,
            long tokens,
            ParameterGroup... groups) {
        arrays.backward(gradients);
        try (Optimizer optimizer = optimizer(arrays, spec, groups)) {
            optimizer.step(0.1, tokens, 0);
        }
    }

    private static double factor(TrainedArrays actual, TrainedArrays plain, Map<String, double[]> before, String path) {
        return (actual.values(path)[0] - before.get(path)[0]) / (plain.values(path)[0] - before.get(path)[0]);
    }

    @Test
    void aGroupWarmsUpByTokens() {
        ParameterGroup group = new ParameterGroup("**", 2, OptionalDouble.empty(), 1000);

        assertThat(group.factor(1)).isEqualTo(0.002);
        assertThat(group.factor(500)).isEqualTo(1);
        assertThat(group.factor(1000)).isEqualTo(2);
        assertThat(group.factor(1001)).isEqualTo(2);
        assertThat(ParameterGroup.learningRate("**", 2).factor(0)).isEqualTo(2);
    }

    @Test
    void oneStarStaysBetweenDots() {
        PathPattern pattern = new PathPattern("layers.*.mlp.*");

        assertThat(pattern.matches("layers.12.mlp.gate_up")).isTrue();
        assertThat(pattern.matches("layers.1.2.mlp.gate_up")).isFalse();
        assertThat(pattern.matches("layers.1.mlp.a.b")).isFalse();
        assertThat(new PathPattern("**_lora_b").matches("layers.0.self_attn.q_proj_lora_b"))
                .isTrue();
        assertThat(new PathPattern("norm").matches("layers.0.norm")).isFalse();
        assertThat(new PathPattern("layersX0").matches("layers.0")).isFalse();
        assertThat(new PathPattern("layers.0").matches("layersX0")).isFalse();
    }

    @Test
    void refusesAGroupThatDecidesAboutNothing() {
        TrainedArrays arrays = arrays();

        assertThatThrownBy(() -> optimizer(arrays, ADAMW, ParameterGroup.learningRate("**.gate", 2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("**.gate")
                .hasMessageContaining("[embed_tokens, layers.*.mlp.gate_up, layers.*.mlp.router, norm]");
        assertThatThrownBy(() -> optimizer(
                        arrays, ADAMW, ParameterGroup.learningRate("**", 2), ParameterGroup.learningRate("norm", 2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("group norm");
    }

    @ParameterizedTest
    @MethodSource("specs")
    void leavesFrozenParametersAlone(OptimizerSpec spec) {
        TrainedArrays arrays = arrays();
        arrays.parameter(STACK).freeze(true);
        Map<String, double[]> before = values(arrays);
        try (Optimizer optimizer = optimizer(arrays, spec)) {
            steps(optimizer, arrays, 0, 1);
            assertThat(optimizer.state().keySet()).noneMatch(name -> name.startsWith(STACK));
        }
        assertThat(arrays.values(STACK)).isEqualTo(before.get(STACK));
        assertThat(arrays.values(ROUTER)).isNotEqualTo(before.get(ROUTER));
        arrays.byPath().values().forEach(parameter -> parameter.freeze(true));
        assertThatThrownBy(() -> optimizer(arrays, spec))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("frozen");
    }

    // ---- gradients ----

    @Test
    void scalesTheGradientsOfAllGroupsByOneNorm() {
        TrainedArrays arrays = arrays();
        Map<String, double[]> before = values(arrays);
        Map<String, float[]> gradients = arrays.randomGradients(4);
        double sum = 0;
        for (float[] gradient : gradients.values()) {
            for (float g : gradient) {
                sum += (double) g * g;
            }
        }
        double norm = Math.sqrt(sum);
        arrays.backward(gradients);
        try (Optimizer optimizer = optimizer(arrays, SgdSpec.plain(), ParameterGroup.learningRate("**.router", 2))) {
            assertThat(optimizer.step(1, 1, 0.5)).isCloseTo(norm, within(1e-5 * norm));
        }
        double[] expected = before.get(ROUTER).clone();
        Arrays.setAll(expected, i -> expected[i] - 2 * gradients.get(ROUTER)[i] * 0.5 / norm);
        assertThat(arrays.values(ROUTER)).containsExactly(expected, within(1e-6));
    }

    @ParameterizedTest
    @MethodSource("specs")
    void setsTheGradientsToZeroAfterAStep(OptimizerSpec spec) {
        TrainedArrays arrays = arrays();
        try (Optimizer optimizer = optimizer(arrays, spec)) {
            steps(optimizer, arrays, 0, 1);
        }
        arrays.byPath().keySet().forEach(path -> assertThat(arrays.gradient(path))
                .containsOnly(0));
    }

    @ParameterizedTest
    @MethodSource("specs")
    void changesNothingWhenAGradientIsNotFinite(OptimizerSpec spec) {
        for (float wrong : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            TrainedArrays arrays = arrays();
            try (Optimizer optimizer = optimizer(arrays, spec)) {
                steps(optimizer, arrays, 0, 1);
                Map<String, double[]> before = values(arrays);
                Map<String, byte[]> state = state(optimizer);
                Map<String, float[]> gradients = arrays.randomGradients(1);
                gradients.get("norm")[2] = wrong;
                arrays.backward(gradients);
                assertThat(optimizer.step(0.01, 1, 1)).isNotFinite();

                assertSame(values(arrays), before);
                state(optimizer)
                        .forEach((name, bytes) -> assertThat(bytes).as(name).isEqualTo(state.get(name)));
                assertThat(arrays.gradient(ROUTER)[0]).isEqualTo(gradients.get(ROUTER)[0]);
                assertThat(NonFinite.firstGradient(arrays.byPath())).contains("norm");
                assertThat(NonFinite.firstParameter(arrays.byPath())).isEmpty();
            }
        }
    }

    private static Map<String, byte[]> state(Optimizer optimizer) {
        Map<String, byte[]> bytes = new LinkedHashMap<>();
        optimizer.state().forEach((name, array) -> {
            ByteBuffer buffer = array.toByteBuffer();
            byte[] copy = new byte[buffer.remaining()];
            buffer.get(copy);
            bytes.put(name, copy);
        });
        return bytes;
    }

    // ---- specs ----

    @Test
    void specsDescribeThemselves() {
        assertThat(MuonSpec.builder().optAdamWPaths("a", "**.b").build().describe())
                .isEqualTo(Map.of(
                        "type",
                        "MuonSpec",
                        "momentum",
                        0.95,
                        "nesterov",
                        true,
                        "newtonSchulzSteps",
                        5,
                        "precision",
                        "FLOAT32",
                        "weightDecay",
                        0.1,
                        "adamW",
                        Map.of(
                                "type", "AdamWSpec",
                                "beta1", 0.9,
                                "beta2", 0.95,
                                "epsilon", 1e-8,
                                "weightDecay", 0.1,
                                "secondMoment", "FULL"),
                        "adamWPaths",
                        List.of("a", "**.b")));
        assertThat(ParameterGroup.learningRate("a", 2).describe())
                .isEqualTo(Map.of(
                        "type", "ParameterGroup", "pattern", "a", "learningRateFactor", 2.0, "warmupTokens", 0L));
        assertThat(ParameterGroup.weightDecay("a", 0.5).describe()).containsEntry("weightDecay", 0.5);
    }

    @Test
    void specsNameTheNumbersTheyRefuse() {
        assertThatThrownBy(() -> AdamWSpec.builder().optBetas(1, 0.95).build()).hasMessageContaining("1.0 and 0.95");
        assertThatThrownBy(() -> AdamWSpec.builder().optEpsilon(0).build()).hasMessageContaining("epsilon must be");
        assertThatThrownBy(() -> AdamWSpec.builder().optWeightDecay(-1).build()).hasMessageContaining("got -1.0");
        assertThatThrownBy(() -> MuonSpec.builder().optMomentum(1, true).build())
                .hasMessageContaining("got 1.0");
        assertThatThrownBy(() ->
                        MuonSpec.builder().optNewtonSchulz(5, Precision.INT8).build())
                .hasMessageContaining("INT8");
        assertThatThrownBy(() -> new SgdSpec(0, true, 0)).hasMessageContaining("nesterov");
        assertThatThrownBy(() -> ParameterGroup.learningRate("a", 0)).hasMessageContaining("freeze");
        assertThatThrownBy(() -> ParameterGroup.warmup("a", -1)).hasMessageContaining("-1");
    }
}
