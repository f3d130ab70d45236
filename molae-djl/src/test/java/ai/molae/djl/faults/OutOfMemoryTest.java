package ai.molae.djl.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.CausalLmLoss;
import ai.molae.djl.lm.KvCache;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.OutOfNativeMemoryException;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.PreparableBlock;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import java.util.Arrays;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.NullSource;

/**
 * Arrays of hundreds of terabytes, which no process can address: asked for by DJL, by TorchScript, with packed weights and in a backward pass. What reads them costs
 * nothing itself: one number, seen as often as it takes. {@link LimitedMemoryTest} runs out of memory in earnest.
 */
class OutOfMemoryTest {

    /** So many numbers that they exceed the 2^47 bytes a process can address: no setting of the system promises them. */
    private static final long MANY = 1L << 46;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private static OutOfNativeMemoryException refused(ThrowingCallable work) {
        OutOfNativeMemoryException[] thrown = new OutOfNativeMemoryException[1];
        assertThatExceptionOfType(OutOfNativeMemoryException.class)
                .isThrownBy(work)
                .withMessageContainingAll("libtorch asked for", "are in use", "Use fewer")
                .satisfies(e -> thrown[0] = e);
        return thrown[0];
    }

    /** A number that looks like many. */
    private NDArray seenAs(Shape shape) {
        long[] ones = new long[shape.dimension()];
        Arrays.fill(ones, 1);
        return manager.ones(new Shape(ones)).broadcast(shape);
    }

    @Test
    void aLayerOfTerabytesIsRefusedWithItsSizesAndNothingOfItStays() {
        MoeBlock block = new MoeBlock(moe(1 << 20, 1 << 20, 64));
        OutOfNativeMemoryException refused =
                refused(() -> block.initialize(manager, DataType.FLOAT32, new Shape(1, 1 << 20)));
        // gate_up [64, 2^21, 2^20] float32; the router before it has got its 256 MB
        assertThat(refused.bytes()).hasValue(64 * (1L << 41) * 4);
        assertThat(refused)
                .hasMessageContainingAll(
                        "562949953421312 bytes (562949.95 GB)",
                        "the 3 parameters of a MoeBlock (844425.20 GB together, the largest gate_up (64, 2097152, 1048576))");
        assertThat(block.getDirectParameters().get("router").isInitialized()).isFalse();
        worksOn();
    }

    @Test
    void anArrayWhoseBytesExceedALongIsToldWithItsShape() {
        // No spec allows as much, so that only arrays of the caller can.
        EngineException failure =
                catchThrowableOfType(EngineException.class, () -> manager.zeros(new Shape(1L << 40, 1L << 30)));
        assertThat(OutOfNativeMemoryException.told(failure, () -> "a test"))
                .isInstanceOf(OutOfNativeMemoryException.class)
                .hasMessageContainingAll("whose bytes exceed 2^63", "[1099511627776, 1073741824]");
    }

    @Test
    void aModelOfTerabytesIsRefusedWithItsSizes() {
        CausalLm model = CausalLm.builder()
                .setSpec(ModelSpec.builder()
                        .setVocabSize(1 << 28)
                        .setAttention(new GroupedQueryAttentionSpec(2, 1, 4, 100, true, QkNorm.NONE))
                        .addLayers(1, DenseSpec.swiglu(1 << 15, 4))
                        .build())
                .build();
        assertThat(refused(() -> model.initialize(manager, DataType.FLOAT32, new Shape(1, 1))))
                .hasMessageContainingAll("35184372088832 bytes", "parameters of a CausalLm", "(268435456, 32768)");
        worksOn();
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void inputsOfWhichNothingCanBeMadeAreRefusedWithTheirShape(TinyBlocks form) {
        Block block = form.block(manager);
        float[] before = form.output(block);
        Shape shape = form.readsTokens() ? new Shape(MANY, 2) : new Shape(1L << 36, 1 << 10, TinyBlocks.N);
        NDArray x = form.readsTokens()
                ? manager.ones(new Shape(1, 1), DataType.INT64).broadcast(shape)
                : seenAs(shape);
        for (boolean training : new boolean[] {false, true}) {
            if (form == TinyBlocks.MOE || form == TinyBlocks.MOLAE) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> TinyBlocks.forward(block, training, manager, x))
                        .withMessageContainingAll("at most 2147483647 tokens", shape.toString(), "in parts");
            } else {
                assertThat(refused(() -> TinyBlocks.forward(block, training, manager, x)))
                        .hasMessageContaining(form.readsTokens() ? "(70368744177664, 2)" : "(68719476736, 1024, 8)");
            }
        }
        assertThat(form.output(block)).isEqualTo(before);
    }

    @ParameterizedTest
    @NullSource
    @EnumSource(names = "INT8")
    void choicesOfTerabytesAreRefusedWithTheirShapePackedOrNot(@Nullable Precision prepared) {
        MoeBlock block = new MoeBlock(moe(1, 1, 1 << 15));
        block.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        if (prepared != null) {
            block.prepareForInference(prepared);
        }
        NDArray few = manager.ones(new Shape(3, 1));
        float[] before = TinyBlocks.forward(block, false, manager, few).toFloatArray();
        // logits [2^31 - 1, 2^15] float32
        assertThat(refused(() -> TinyBlocks.forward(block, false, manager, seenAs(new Shape(Integer.MAX_VALUE, 1))))
                        .bytes())
                .hasValue((long) Integer.MAX_VALUE << 17);
        assertThat(TinyBlocks.forward(block, false, manager, few).toFloatArray())
                .isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void withPackedWeightsTooAndTheyStay(Precision precision) {
        PreparableBlock block = (PreparableBlock) TinyBlocks.DENSE.block(manager);
        block.prepareForInference(precision);
        float[] before = TinyBlocks.DENSE.output(block);
        NDArray x = seenAs(new Shape(1L << 36, 1 << 10, TinyBlocks.N));
        assertThat(refused(() -> TinyBlocks.forward(block, false, manager, x)))
                .hasMessageContaining("(68719476736, 1024, 8)");
        assertThat(TinyBlocks.DENSE.output(block)).isEqualTo(before);
    }

    @Test
    void aBackwardPassWithoutMemoryLeavesTheTapeToBeClosedAndAnotherToBeOpened() {
        NDArray w = manager.ones(new Shape(1));
        w.setRequiresGradient(true);
        try (GradientTape tape = new GradientTape()) {
            // Forward nothing is copied; the gradient of a view is as large as it looks.
            NDArray loss = w.broadcast(new Shape(MANY)).get("0:1").sum();
            assertThat(refused(() -> tape.backward(loss))).hasMessageContaining("backward pass");
        }
        MoeBlock block = (MoeBlock) TinyBlocks.MOLAE.block(manager);
        try (GradientTape tape = new GradientTape()) {
            NDList out = block.forward(
                    new ParameterStore(manager, false), new NDList(TinyBlocks.MOLAE.input(manager)), true);
            tape.backward(out.head().sum());
        }
        assertThat(block.getDirectParameters()
                        .get("down")
                        .getArray()
                        .getGradient()
                        .abs()
                        .sum()
                        .getFloat())
                .isPositive();
    }

    @Test
    void aCacheOfTerabytesIsRefusedWithItsSizesAndGivesBackWhatItHad() {
        ModelSpec spec = ModelSpec.builder()
                .setVocabSize(20)
                .setAttention(new GroupedQueryAttentionSpec(1 << 14, 1 << 14, 1 << 14, 100, true, QkNorm.NONE))
                .addLayers(2, DenseSpec.swiglu(8, 4))
                .optMaxPositionEmbeddings(1 << 12)
                .build();
        int before = manager.getManagedArrays().size();
        assertThat(refused(() -> new KvCache(spec, manager, 64, 1 << 12)))
                .hasMessageContaining("a KvCache of 64 sequences of 4096 positions in 2 layers");
        assertThat(manager.getManagedArrays()).hasSize(before);
    }

    @Test
    void aLossOfTerabytesIsRefusedWithItsShapes() {
        NDArray labels = manager.zeros(new Shape(1), DataType.INT64).broadcast(new Shape(MANY));
        assertThat(refused(() -> CausalLmLoss.crossEntropy(seenAs(new Shape(MANY, 20)), labels)))
                .hasMessageContaining("(70368744177664)");
        worksOn();
    }

    private static MoeSpec moe(int n, int m, int experts) {
        return MoeSpec.builder()
                .setHiddenSize(n)
                .setIntermediateSize(m)
                .setNumExperts(experts)
                .setTopK(1)
                .build();
    }

    private void worksOn() {
        for (float value : TinyBlocks.MOLAE.output(TinyBlocks.MOLAE.block(manager))) {
            assertThat(value).isFinite();
        }
    }
}
