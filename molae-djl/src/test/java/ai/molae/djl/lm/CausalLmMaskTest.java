package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.SlidingWindow;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A model that reads padded sequences: on the right, on the left, not at all, and one that is nothing but padding. */
class CausalLmMaskTest {

    private static final int[][] TOKENS = {
        {3, 1, 4, 1, 5, 9}, {2, 6, 5, 3, 5, 8}, {7, 7, 0, 2, 10, 1}, {4, 4, 4, 4, 4, 4}
    };
    private static final boolean[][] MASK = {
        {true, true, true, true, false, false},
        {false, false, true, true, true, true},
        {true, true, true, true, true, true},
        {false, false, false, false, false, false}
    };
    private static final int[][] LABELS = {
        {1, 4, 1, 5, -100, -100}, {-100, -100, 3, 5, 8, 0}, {7, 0, 2, 10, 1, 3}, {-100, -100, -100, -100, -100, -100}
    };

    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    static List<AttentionSpec> attentions() {
        GroupedQueryAttentionSpec sliding = new GroupedQueryAttentionSpec(
                4,
                2,
                6,
                RopeSpec.of(100),
                false,
                true,
                QkNorm.FULL,
                0.9,
                Optional.of(new SlidingWindow(2, Set.of(0, 2))));
        return List.of(sliding, new LatentAttentionSpec(3, 4, 5, 3, 4, 6, 50));
    }

    private static ModelSpec spec(AuxLossScope scope) {
        return LmFixture.spec().mapMoe(moe -> moe.toBuilder()
                .optRouter(moe.router().toBuilder().optAuxLossScope(scope).build())
                .build());
    }

    private NDArray mask(DataType type, boolean[]... rows) {
        int columns = rows[0].length;
        int[] flat = new int[rows.length * columns];
        for (int i = 0; i < flat.length; i++) {
            flat[i] = rows[i / columns][i % columns] ? 1 : 0;
        }
        return manager.create(flat, new Shape(rows.length, columns)).toType(type, false);
    }

    private NDList inputs(int[][] tokens) {
        return new NDList(LmFixture.tokens(manager, tokens), mask(DataType.INT64, MASK));
    }

    private NDList forward(CausalLm model, NDList inputs, boolean training) {
        return model.forward(new ParameterStore(manager, false), inputs, training);
    }

    /** The logits [V] of what is no padding, in order. */
    private static double[] real(NDArray logits) {
        double[] all = LmFixture.doubles(logits);
        return Stream.iterate(0, i -> i < MASK.length * MASK[0].length, i -> i + 1)
                .filter(i -> MASK[i / MASK[0].length][i % MASK[0].length])
                .flatMapToDouble(i -> Arrays.stream(all, i * LmFixture.VOCAB, (i + 1) * LmFixture.VOCAB))
                .toArray();
    }

    private double[] real(double[][][] logits) {
        return real(LmFixture.array(
                manager,
                Arrays.stream(logits).flatMap(Arrays::stream).toArray(double[][]::new),
                MASK.length,
                MASK[0].length,
                LmFixture.VOCAB));
    }

    @ParameterizedTest
    @MethodSource("attentions")
    void equalsTheReference(AttentionSpec attention) {
        ModelSpec spec = LmFixture.specBuilder().setAttention(attention).build();
        CausalLm model = LmFixture.model(spec, manager);
        NDArray logits = forward(model, inputs(TOKENS), false).singletonOrThrow();
        double[][][] expected = new ReferenceLm(spec, LmFixture.values(model))
                .forward(TOKENS, MASK)
                .logits();
        assertThat(real(logits)).containsExactly(real(expected), within(1e-4));
        assertThat(Arrays.stream(LmFixture.doubles(logits))).allMatch(Double::isFinite);
    }

    @ParameterizedTest
    @EnumSource(AuxLossScope.class)
    void countsPaddingNeitherInTheLoadNorInTheAuxiliaryLoss(AuxLossScope scope) {
        ModelSpec spec = spec(scope);
        CausalLm model = LmFixture.model(spec, manager);

        NDList outputs = forward(model, inputs(TOKENS), true);

        ReferenceLm.Forward expected = new ReferenceLm(spec, LmFixture.values(model)).forward(TOKENS, MASK);
        assertThat((double) outputs.get(1).getFloat()).isCloseTo(expected.aux(), within(1e-4));
        assertThat(outputs).hasSize(4);
        for (int i = 0; i < 2; i++) {
            assertThat(outputs.get(2 + i).toLongArray())
                    .containsExactly(expected.balance().load(i));
            assertThat(Arrays.stream(outputs.get(2 + i).toLongArray()).sum()).isEqualTo(14 * 2);
        }
        NDList whole = forward(model, new NDList(LmFixture.tokens(manager, TOKENS)), true);
        assertThat(whole.get(1).getFloat()).isNotCloseTo(outputs.get(1).getFloat(), within(1e-3f));
    }

    @ParameterizedTest
    @EnumSource(AuxLossScope.class)
    void equalsTheReferenceWithoutAMaskToo(AuxLossScope scope) {
        ModelSpec spec = spec(scope);
        CausalLm model = LmFixture.model(spec, manager);
        NDList outputs = forward(model, new NDList(LmFixture.tokens(manager, TOKENS)), true);
        double expected =
                new ReferenceLm(spec, LmFixture.values(model)).forward(TOKENS).aux();
        assertThat((double) outputs.get(1).getFloat()).isCloseTo(expected, within(1e-4));
    }

    @ParameterizedTest
    @EnumSource(AuxLossScope.class)
    void doesNotDependOnWhatStandsInPadding(AuxLossScope scope) {
        CausalLm model = LmFixture.model(spec(scope), manager);
        int[][] other = Arrays.stream(TOKENS).map(int[]::clone).toArray(int[][]::new);
        for (int b = 0; b < other.length; b++) {
            for (int s = 0; s < other[b].length; s++) {
                other[b][s] = MASK[b][s] ? other[b][s] : (3 * b + s) % LmFixture.VOCAB;
            }
        }
        NDList one = forward(model, inputs(TOKENS), true);
        NDList two = forward(model, inputs(other), true);
        assertThat(real(two.head())).containsExactly(real(one.head()), within(1e-5));
        assertThat(two.get(1).getFloat()).isCloseTo(one.get(1).getFloat(), within(1e-5f));
        assertThat(two.subNDList(2)).isEqualTo(one.subNDList(2));
    }

    /** Central differences of the double-precision reference; every third weight, because every one takes long. */
    @ParameterizedTest
    @EnumSource(AuxLossScope.class)
    void hasTheGradientsOfTheReference(AuxLossScope scope) {
        ModelSpec spec = spec(scope);
        CausalLm model = LmFixture.model(spec, manager);
        Map<String, double[]> parameters = LmFixture.values(model);
        ReferenceLm reference = new ReferenceLm(spec, parameters);

        LmFixture.train(model, inputs(TOKENS), LmFixture.labels(manager, LABELS));

        Map<String, double[]> gradients = LmFixture.gradients(model);
        parameters.forEach((name, values) -> {
            for (int i = name.contains("router") ? 0 : scope.ordinal(); i < values.length; i += 9) {
                double value = values[i];
                values[i] = value + 1e-5;
                double above = reference.loss(TOKENS, MASK, LABELS);
                values[i] = value - 1e-5;
                double below = reference.loss(TOKENS, MASK, LABELS);
                values[i] = value;
                assertThat(gradients.get(name)[i]).as("%s %d", name, i).isCloseTo((above - below) / 2e-5, within(3e-5));
            }
        });
    }

    @Test
    void readsMasksOfAnyElementTypeAndAnyNumberThatIsNotZero() {
        CausalLm model = LmFixture.model(spec(AuxLossScope.MODEL), manager);
        NDList expected = forward(model, inputs(TOKENS), true);
        NDArray tokens = LmFixture.tokens(manager, TOKENS);
        List<NDArray> masks = List.of(
                mask(DataType.FLOAT32, MASK),
                mask(DataType.BOOLEAN, MASK),
                mask(DataType.INT32, MASK),
                mask(DataType.FLOAT32, MASK).mul(-3));
        for (NDArray mask : masks) {
            NDList outputs = forward(model, new NDList(tokens, mask), true);
            for (int i = 0; i < expected.size(); i++) {
                assertThat(outputs.get(i)).isEqualTo(expected.get(i));
            }
        }
    }

    @Test
    void aBatchOfPaddingAloneHasNoLossAndNoLoad() {
        for (AuxLossScope scope : AuxLossScope.values()) {
            CausalLm model = LmFixture.model(spec(scope), manager);
            NDArray tokens = LmFixture.tokens(manager, new int[][] {{1, 2}});
            NDArray mask = mask(DataType.FLOAT32, new boolean[2]);
            NDList outputs = forward(model, new NDList(tokens, mask), true);
            assertThat(outputs.get(1).getFloat()).isZero();
            assertThat(outputs.get(2).toLongArray()).containsOnly(0);
            assertThat(Arrays.stream(LmFixture.doubles(outputs.head()))).allMatch(Double::isFinite);
        }
    }

    @Test
    void leavesNothingBehindButItsResults() {
        CausalLm model = LmFixture.model(spec(AuxLossScope.MODEL), manager);
        NDList inputs = inputs(TOKENS);
        try (NDManager step = manager.newSubManager()) {
            inputs.attach(step);
            int before = step.getManagedArrays().size();
            NDList outputs = model.forward(new ParameterStore(step, false), inputs, true);
            assertThat(step.getManagedArrays()).hasSize(before + outputs.size());
        }
    }

    @Test
    void refusesAMaskOfAnotherShape() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        NDArray tokens = LmFixture.tokens(manager, TOKENS);
        assertThatThrownBy(() -> forward(model, new NDList(tokens, manager.ones(new Shape(4, 5))), false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("an attention mask of their shape", "(4, 6)", "(4, 5)");
    }
}
