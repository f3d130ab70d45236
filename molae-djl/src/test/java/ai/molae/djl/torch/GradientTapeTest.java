package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import ai.molae.djl.torch.GradientTape.Gradient;
import ai.molae.djl.torch.GradientTape.Recorded;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Gradients through operations whose backward pass is written here; those of layers are the business of the moe package's tests. */
class GradientTapeTest {

    private NDManager manager;
    private NDArray x;
    private NDArray w;

    @BeforeEach
    void setUp() {
        manager = NDManager.newBaseManager();
        x = parameter(3, -1);
        w = parameter(2, 4);
    }

    @AfterEach
    void tearDown() {
        manager.close();
    }

    @Test
    void backwardRunsOnce() {
        try (GradientTape tape = new GradientTape()) {
            NDArray y = square(x).sum();
            NDArray z = square(w).sum();
            tape.backward(y);
            assertThatIllegalStateException()
                    .isThrownBy(() -> tape.backward(z))
                    .withMessageContaining("add the losses up");
        }
    }

    @Test
    void keepsNothingOfWhatAutogradDoesNotRecord() {
        try (GradientTape tape = new GradientTape();
                NoGrad noGrad = new NoGrad()) {
            assertThat(GradientTape.cut(x)).isSameAs(x);
        }
    }

    // ---- recomputation ----

    @Test
    void aSegmentRunsAgainInTheBackwardPassAndOnlyThenIsRecomputing() {
        List<Boolean> runs = new ArrayList<>();
        try (GradientTape tape = new GradientTape()) {
            NDList y = tape.recompute(new NDList(x), inputs -> {
                runs.add(GradientTape.isRecomputing());
                return new NDList(inputs.head().mul(w).mul(inputs.head()));
            });
            assertThat(y.head().toFloatArray()).containsExactly(18, 4);
            tape.backward(y.head().sum());
            assertThat(runs).containsExactly(false, true);
            assertThat(GradientTape.isRecomputing()).isFalse();
        }
        assertThat(gradient(x)).containsExactly(12, -8);
        assertThat(gradient(w)).containsExactly(9, 1);
    }

    @Test
    void anOperationsOwnBackwardPassIsRecomputingToo() {
        List<Boolean> runs = new ArrayList<>();
        try (GradientTape tape = new GradientTape()) {
            NDList y = tape.record(
                    x,
                    leaf -> new Recorded(new NDList(leaf.stopGradient()), gradients -> {
                        runs.add(GradientTape.isRecomputing());
                        return Gradient.byAutograd(leaf, new NDList(leaf.mul(w)), gradients);
                    }));
            assertThat(GradientTape.isRecomputing()).isFalse();
            tape.backward(y.head().sum());
        }
        assertThat(runs).containsExactly(true);
        assertThat(gradient(x)).containsExactly(2, 4);
    }

    @Test
    void segmentsMayHoldOperationsCutsAndSegments() {
        for (boolean recompute : new boolean[] {false, true}) {
            x = parameter(3, -1);
            w = parameter(2, 4);
            try (GradientTape tape = new GradientTape()) {
                Function<NDList, NDList> inner = inputs -> {
                    NDArray h = GradientTape.cut(inputs.head().mul(w));
                    return new NDList(h.add(square(h)));
                };
                Function<NDList, NDList> outer = inputs -> {
                    NDArray a = recompute
                            ? tape.recompute(inputs, inner).head()
                            : inner.apply(inputs).head();
                    return new NDList(a.mul(w), a.sum());
                };
                NDArray read = x.mul(w);
                NDList y = recompute ? tape.recompute(new NDList(read), outer) : outer.apply(new NDList(read));
                tape.backward(y.get(0).sum().add(y.get(1)));
            }
            // a = h + h² with h = x w², loss = Σ a w + a; dh/dx = w², dh/dw = 2 x w
            assertThat(gradient(x)).containsExactly(3 * 25 * 4, 5 * -31 * 16);
            assertThat(gradient(w)).containsExactly(12 + 144 + 3 * 25 * 12, -16 + 256 + 5 * -31 * -8);
        }
    }

    @Test
    void arraysBesideTheInputMayBeClosedBeforeTheBackwardPass() {
        NDArray mask = manager.create(new float[] {1, 0});
        try (GradientTape tape = new GradientTape()) {
            NDList y = tape.recompute(
                    new NDList(x, mask),
                    in -> new NDList(in.get(0).mul(in.get(1)), in.get(1).toType(DataType.INT64, true)));
            mask.close();
            assertThat(y.get(1).toLongArray()).containsExactly(1, 0);
            tape.backward(y.get(0).sum());
        }
        assertThat(gradient(x)).containsExactly(1, 0);
    }

    @Test
    void aSegmentThatFailsLeavesTheTapeUsable() {
        try (GradientTape tape = new GradientTape()) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> tape.recompute(new NDList(x), inputs -> {
                        GradientTape.cut(inputs.head());
                        throw new IllegalStateException("full");
                    }));
            tape.backward(x.mul(w).sum());
        }
        assertThat(gradient(x)).containsExactly(2, 4);
    }

    private NDArray parameter(float... values) {
        NDArray array = manager.create(values);
        array.setRequiresGradient(true);
        return array;
    }

    private static GradientTape tape() {
        return GradientTape.current().orElseThrow();
    }

    private static NDArray withoutAutograd(NDArray a, UnaryOperator<NDArray> function) {
        try (NoGrad noGrad = new NoGrad()) {
            return function.apply(a);
        }
    }

    /** A scalar in the graph of an array, through which no gradient comes. */
    private static NDArray nothing(NDArray leaf) {
        return leaf.mul(leaf.zerosLike()).sum();
    }

    /** {@code h²}, derivative {@code 2h}. */
    private static NDArray square(NDArray h) {
        return tape().record(
                        h,
                        leaf -> new Recorded(
                                new NDList(withoutAutograd(leaf, NDArray::square)),
                                gradients -> new Gradient(
                                        withoutAutograd(leaf, a -> a.add(a).mul(gradients.get(0))), nothing(leaf))))
                .singletonOrThrow();
    }

    private void backward(Function<NDArray, NDArray> function) {
        try (GradientTape tape = new GradientTape()) {
            tape.backward(function.apply(x).sum());
        }
    }

    private static float[] gradient(NDArray array) {
        return array.getGradient().toFloatArray();
    }

    @Test
    void withoutOperationsOfItsOwnItIsAGradientCollector() {
        // d(x² w) = 2xw, x²
        backward(a -> a.square().mul(w));
        assertThat(gradient(x)).containsExactly(12, -8);
        assertThat(gradient(w)).containsExactly(9, 1);
        NDArray other = parameter(3, -1);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            collector.backward(other.square().mul(w).sum());
        }
        assertThat(gradient(other)).isEqualTo(gradient(x));
    }

    @Test
    void anOperationBringsItsOwnBackwardPass() {
        // h = xw = (6, −4), y = h²: dy/dh = 2h = (12, −8)
        NDArray[] y = new NDArray[1];
        backward(a -> y[0] = square(a.mul(w)));
        assertThat(y[0].toFloatArray()).containsExactly(36, 16);
        assertThat(gradient(x)).containsExactly(24, -32);
        assertThat(gradient(w)).containsExactly(36, 8);
    }

    @Test
    void whatComesAfterAnOperationIsAutograds() {
        // y = w x²: 2xw, x²
        backward(a -> square(a).mul(w));
        assertThat(gradient(x)).containsExactly(12, -8);
        assertThat(gradient(w)).containsExactly(9, 1);
    }

    @Test
    void theSurrogateAddsWhatAutogradRecordedOfTheInput() {
        // y = h² by hand + v h by autograd, h = xw = (6, −4), v = (5, 7): dy/dh = 2h + v = (17, −1), dy/dv = h
        NDArray v = parameter(5, 7);
        backward(a -> tape().record(a.mul(w), leaf -> {
                    NDArray recorded = leaf.mul(v);
                    NDArray y = withoutAutograd(leaf, h -> h.square().add(recorded));
                    return new Recorded(
                            new NDList(y),
                            gradients -> new Gradient(
                                    withoutAutograd(leaf, h -> h.add(h).mul(gradients.get(0))),
                                    recorded.mul(gradients.get(0)).sum()));
                })
                .singletonOrThrow());
        assertThat(gradient(v)).containsExactly(6, -4);
        assertThat(gradient(x)).containsExactly(34, -4);
        assertThat(gradient(w)).containsExactly(51, 1);
    }

    @Test
    void aCutArrayMayBeReadTwice() {
        // h = xw = (6, −4), y = h + h²: dy/dh = 1 + 2h = (13, −7)
        backward(a -> {
            NDArray h = GradientTape.cut(a.mul(w));
            return h.add(square(h));
        });
        assertThat(gradient(x)).containsExactly(26, -28);
        assertThat(gradient(w)).containsExactly(39, 7);
        // the same by autograd
        NDArray otherX = parameter(3, -1);
        NDArray otherW = parameter(2, 4);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            NDArray h = otherX.mul(otherW);
            collector.backward(h.add(h.square()).sum());
        }
        assertThat(gradient(x)).isEqualTo(gradient(otherX));
        assertThat(gradient(w)).isEqualTo(gradient(otherW));
    }

    @Test
    void aCutArrayMayBeReadByTwoOperationsAndByNone() {
        // y = h² + (2h)² = 5h²: dy/dh = 10h
        backward(a -> {
            NDArray h = GradientTape.cut(a.mul(w));
            assertThat(GradientTape.cut(h.mul(w)).toFloatArray()).containsExactly(12, -16);
            return square(h).add(square(h.add(h)));
        });
        assertThat(gradient(x)).containsExactly(120, -160);
        assertThat(gradient(w)).containsExactly(180, 40);
    }

    @Test
    void withoutCutTheSecondReadIsRefusedWithTheRemedy() {
        assertThatIllegalStateException()
                .isThrownBy(() -> backward(a -> {
                    NDArray h = a.mul(w);
                    return h.add(square(h));
                }))
                .withMessageContaining("GradientTape.cut");
        assertThat(GradientTape.current()).isEmpty();
        backward(a -> square(a));
    }

    @Test
    void parametersMayBeReadTwiceWithoutCut() {
        // y = x + x²
        backward(a -> a.add(square(a)));
        assertThat(gradient(x)).containsExactly(7, -1);
    }

    @Test
    void cutOutsideATapeDoesNothing() {
        assertThat(GradientTape.cut(x)).isSameAs(x);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            NDArray h = x.mul(w);
            assertThat(GradientTape.cut(h)).isSameAs(h);
        }
    }

    @Test
    void resultsBelongToTheManagerOfTheInput() {
        try (NDManager scope = manager.newSubManager();
                GradientTape tape = new GradientTape()) {
            NDArray a = scope.create(new float[] {3, -1});
            NDArray cut = GradientTape.cut(a);
            NDArray y = square(a);
            assertThat(cut.getManager()).isSameAs(scope);
            assertThat(y.getManager()).isSameAs(scope);
            assertThat(scope.getManagedArrays()).hasSize(3);
            tape.backward(y.add(cut).sum());
        }
    }

    @Test
    void theTapeIsOpenOnItsThreadOnlyAndUntilClosed() {
        assertThat(GradientTape.current()).isEmpty();
        try (GradientTape tape = new GradientTape()) {
            assertThat(GradientTape.current()).containsSame(tape);
            assertThat(CompletableFuture.supplyAsync(GradientTape::current).join())
                    .isEmpty();
            assertThat(CompletableFuture.supplyAsync(() -> GradientTape.cut(x)).join())
                    .isSameAs(x);
        }
        assertThat(GradientTape.current()).isEmpty();
    }

    @Test
    void operationsFollowOneAnother() {
        // ((x² w)²): x⁴ w²: 4x³w², 2x⁴w
        backward(a -> square(square(a).mul(w)));
        assertThat(gradient(x)).containsExactly(4 * 27 * 4, -4 * 16);
        assertThat(gradient(w)).containsExactly(2 * 81 * 2, 2 * 4);
        // x⁴: 4x³, nothing between the two
        NDArray direct = parameter(3, -1);
        try (GradientTape tape = new GradientTape()) {
            tape.backward(square(square(direct)).sum());
        }
        assertThat(gradient(direct)).containsExactly(108, -4);
    }

    @Test
    void twoResidualLayersFollowOneAnother() {
        // h1 = h + h², h2 = h1 + h1², h = xw = (6, −4): (1 + 2·42)(1 + 12) = 1105, (1 + 2·12)(1 − 8) = −175
        backward(a -> {
            NDArray h = a.mul(w);
            for (int layer = 0; layer < 2; layer++) {
                h = GradientTape.cut(h);
                h = h.add(square(h));
            }
            return h;
        });
        assertThat(gradient(x)).containsExactly(2210, -700);
    }

    @Test
    void anUnusedResultGetsAGradientOfZerosAndIntegersGetNone() {
        List<float[]> seen = new ArrayList<>();
        backward(a -> {
            NDList results = tape().record(a, leaf -> {
                NDList outputs = new NDList(
                        withoutAutograd(leaf, NDArray::square),
                        withoutAutograd(leaf, NDArray::abs),
                        withoutAutograd(leaf, h -> h.toType(DataType.INT64, false)));
                return new Recorded(outputs, gradients -> {
                    gradients.forEach(gradient -> seen.add(gradient.toFloatArray()));
                    return new Gradient(withoutAutograd(leaf, h -> h.add(h).mul(gradients.get(0))), nothing(leaf));
                });
            });
            assertThat(results).hasSize(3);
            assertThat(results.get(2).toLongArray()).containsExactly(3, -1);
            return results.get(0);
        });
        assertThat(seen).containsExactly(new float[] {1, 1}, new float[] {0, 0});
        assertThat(gradient(x)).containsExactly(6, -2);
    }

    @Test
    void anOperationThatTheLossDoesNotReadPassesNothingBack() {
        backward(a -> {
            square(a.mul(w));
            return a;
        });
        assertThat(gradient(x)).containsExactly(1, 1);
        assertThat(gradient(w)).containsExactly(new float[] {0, 0}, within(0f)); // −0 too
    }

    @Test
    void anInputWithoutGradientIsNoObstacle() {
        NDArray data = manager.create(new float[] {3, -1});
        try (GradientTape tape = new GradientTape()) {
            NDArray h = GradientTape.cut(data);
            tape.backward(square(h).mul(w).add(h).sum());
        }
        assertThat(gradient(w)).containsExactly(9, 1);
        assertThat(data.hasGradient()).isFalse();
    }

    @Test
    void gradientsAddUpOverTapes() {
        backward(GradientTapeTest::square);
        backward(GradientTapeTest::square);
        assertThat(gradient(x)).containsExactly(12, -4);
    }

    @Test
    void onlyOneIsOpenAtATime() {
        try (GradientTape tape = new GradientTape()) {
            assertThatIllegalStateException().isThrownBy(GradientTape::new);
            assertThat(GradientTape.current()).containsSame(tape);
            tape.backward(square(x).sum());
        }
        assertThat(gradient(x)).containsExactly(6, -2);
    }

    @Test
    void anotherMayBeOpenedAfterClosingAlsoAfterAnException() {
        for (Runnable failing : List.<Runnable>of(
                () -> backward(a -> {
                    GradientTape.cut(square(a.mul(w)));
                    throw new IllegalArgumentException("in the forward pass");
                }),
                () -> backward(a -> tape().record(a.mul(w), leaf -> {
                            throw new IllegalArgumentException("in the operation");
                        })
                        .singletonOrThrow()),
                () -> backward(a -> tape().record(
                                square(a.mul(w)),
                                leaf -> new Recorded(new NDList(withoutAutograd(leaf, NDArray::square)), gradients -> {
                                    throw new IllegalArgumentException("in the backward pass");
                                }))
                        .singletonOrThrow()))) {
            boolean gradients = JniUtils.isGradMode();
            assertThatIllegalArgumentException().isThrownBy(failing::run).withMessageStartingWith("in the ");
            assertThat(JniUtils.isGradMode()).isEqualTo(gradients);
            assertThat(GradientTape.current()).isEmpty();
            NDArray a = parameter(3, -1);
            try (GradientTape tape = new GradientTape()) {
                tape.backward(square(a).sum());
            }
            assertThat(gradient(a)).containsExactly(6, -2);
            try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
                collector.backward(a.mul(w).sum());
            }
            assertThat(gradient(a)).containsExactly(8, 2);
        }
    }

    @Test
    void twoHundredStepsLeaveNothingBehind() {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        NDArray weight = manager.ones(new Shape(256, 256));
        weight.setRequiresGradient(true);
        int arrays = manager.getManagedArrays().size();
        List<Long> bytes = new ArrayList<>();
        for (int step = 0; step <= 200; step++) {
            try (NDManager scope = manager.newSubManager();
                    GradientTape tape = new GradientTape()) {
                NDArray h = GradientTape.cut(scope.ones(new Shape(256, 256)).mul(weight));
                NDArray y = h.add(square(h));
                // every second step ends before its backward pass
                if (step % 2 == 0) {
                    tape.backward(y.sum());
                    assertThat(scope.getManagedArrays())
                            .as("input, product, h, square, y, loss, its gradient")
                            .hasSizeLessThanOrEqualTo(7);
                }
            }
            assertThat(manager.getManagedArrays()).hasSize(arrays);
            if (step == 20 || step == 200) {
                bytes.add(NativeMemory.inUse().orElse(0));
            }
        }
        // One leaked array of 256 KiB a step would be 47 MB; the JVM takes a few MB meanwhile.
        assertThat(bytes.get(1) - bytes.get(0)).isLessThan(16_000_000);
    }
}
