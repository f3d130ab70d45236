package ai.molae.djl.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.UninitializedParameterException;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.CausalLmLoss;
import ai.molae.djl.lm.KvCache;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.PreparableBlock;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;
import org.junit.jupiter.params.provider.ValueSource;

/** What blocks say to arrays they cannot compute with, and to use after their memory is gone; a refusal leaves them as they were. */
class WrongTensorsTest {

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private NDArray forward(Block block, boolean training, NDArray... inputs) {
        return TinyBlocks.forward(block, training, manager, inputs);
    }

    private static String name(Block block) {
        return block.getClass().getSimpleName();
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void anotherElementTypeIsRefusedWithBoth(TinyBlocks form) {
        Block block = form.block(manager);
        float[] before = form.output(block);
        List<DataType> others = form.readsTokens()
                ? List.of(DataType.FLOAT32, DataType.FLOAT64, DataType.BOOLEAN, DataType.UINT8)
                : List.of(DataType.FLOAT64, DataType.FLOAT16, DataType.INT32, DataType.INT64, DataType.BOOLEAN);
        for (DataType type : others) {
            NDArray x = form.input(manager).toType(type, false);
            for (boolean training : new boolean[] {false, true}) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> forward(block, training, x))
                        .withMessageContainingAll(
                                "reads", form.readsTokens() ? "int64 or int32" : "float32", type.toString(), "(2, 3");
            }
        }
        assertThat(form.output(block)).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void anotherShapeIsRefusedWithBoth(TinyBlocks form) {
        Block block = form.block(manager);
        Shape wrong = form.readsTokens() ? new Shape(1, TinyBlocks.POSITIONS + 1) : new Shape(2, 3, 9);
        DataType type = form.readsTokens() ? DataType.INT64 : DataType.FLOAT32;
        assertThatIllegalArgumentException()
                .isThrownBy(() -> forward(block, false, manager.zeros(wrong, type)))
                .withMessageContainingAll("reads", form.readsTokens() ? "16" : "8", wrong.toString());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> forward(block, false, manager.zeros(new Shape(), type)))
                .withMessageContainingAll("reads", "()");
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void noInputIsRefused(TinyBlocks form) {
        Block block = form.block(manager);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> forward(block, false))
                .withMessageContaining("reads");
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void noTokensAreNothingToComputeOrRefused(TinyBlocks form) {
        Block block = form.block(manager);
        NDArray none = form.readsTokens()
                ? manager.zeros(new Shape(1, 0), DataType.INT64)
                : manager.zeros(new Shape(1, 0, TinyBlocks.N));
        boolean sequences =
                switch (form) {
                    case MOE, MOLAE, NORM, DENSE -> false;
                    default -> true;
                };
        if (sequences) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> forward(block, false, none))
                    .withMessageContainingAll("token", none.getShape().toString());
        } else {
            assertThat(forward(block, false, none).getShape()).isEqualTo(none.getShape());
            assertThat(forward(block, true, none).getShape()).isEqualTo(none.getShape());
        }
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void aClosedInputIsNamed(TinyBlocks form) {
        Block block = form.block(manager);
        float[] before = form.output(block);
        NDArray closed = form.input(manager);
        closed.close();
        NDManager scope = manager.newSubManager();
        NDArray orphan = form.input(scope);
        scope.close();
        for (NDArray x : List.of(closed, orphan)) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> forward(block, false, x))
                    .withMessageContainingAll("input 0 of " + name(block), "closed");
        }
        assertThat(form.output(block)).isEqualTo(before);
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void aBlockWhoseManagerIsClosedSaysSo(TinyBlocks form) {
        NDManager owner = manager.newSubManager();
        Block block = form.block(owner);
        owner.close();
        owner.close();
        for (boolean training : new boolean[] {false, true}) {
            assertThatIllegalStateException()
                    .isThrownBy(() -> forward(block, training, form.input(manager)))
                    .withMessageContainingAll("is freed", "manager");
        }
        assertThatIllegalStateException()
                .isThrownBy(() -> ((PreparableBlock) block).prepareForInference(Precision.INT8))
                .withMessageContaining("is freed");
    }

    @ParameterizedTest
    @EnumSource(value = TinyBlocks.class, mode = Mode.EXCLUDE, names = "NORM")
    void aPreparedBlockWhoseManagerIsClosedSaysSo(TinyBlocks form) {
        NDManager owner = manager.newSubManager();
        PreparableBlock block = (PreparableBlock) form.block(owner);
        block.prepareForInference(Precision.INT8);
        owner.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> forward(block, false, form.input(manager)))
                .withMessageContaining("freed");
        block.clear();
        block.clear();
        assertThatIllegalStateException()
                .isThrownBy(() -> forward(block, false, form.input(manager)))
                .withMessageContaining("freed");
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void aBlockWithoutAllOfItsValuesNamesTheFirstThatLacks(TinyBlocks form) {
        Block none = form.block();
        assertThatExceptionOfType(UninitializedParameterException.class)
                .isThrownBy(() -> forward(none, false, form.input(manager)))
                .withMessageContaining("has not been initialized");
        Block half = form.block(manager);
        Parameter last = half.getParameters().valueAt(half.getParameters().size() - 1);
        last.close();
        assertThatExceptionOfType(UninitializedParameterException.class)
                .isThrownBy(() -> forward(half, false, form.input(manager)))
                .withMessageContaining("\"" + last.getName() + "\"");
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void aParameterThatSomeoneReplacedIsNamedWithBothShapes(TinyBlocks form) {
        for (DataType type : List.of(DataType.FLOAT32, DataType.FLOAT64)) {
            Block block = form.block(manager);
            Parameter last = block.getParameters().valueAt(block.getParameters().size() - 1);
            Shape right = last.getShape();
            Shape given = type == DataType.FLOAT64 ? right : new Shape(3, 2);
            last.close();
            last.setShape(null);
            last.setArray(manager.ones(given, type));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> forward(block, false, form.input(manager)))
                    .withMessageContainingAll(last.getName(), right.toString(), type + " of shape " + given);
        }
    }

    @ParameterizedTest
    @EnumSource(TinyBlocks.class)
    void parametersAreFloat32AndNothingElse(TinyBlocks form) {
        Block block = form.block();
        for (DataType type : List.of(DataType.FLOAT64, DataType.FLOAT16, DataType.INT32)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> block.initialize(manager, type, form.inputShape()))
                    .withMessageContainingAll(name(block), "float32", type.toString());
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> block.initialize(manager, DataType.FLOAT32))
                .withMessageContainingAll(name(block), "shape");
        block.initialize(manager, DataType.FLOAT32, form.inputShape());
        assertThat(block.isInitialized()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, TinyBlocks.VOCAB, 1L << 31, 1L << 32, Long.MAX_VALUE, Long.MIN_VALUE})
    void aTokenOutsideTheVocabularyIsNamedWithItsPlaceWhereverItIsRead(long id) {
        CausalLm model = TinyBlocks.model(manager);
        NDArray tokens = manager.create(new long[] {1, 2, id}, new Shape(1, 3));
        String message = "token id " + id + " of sequence 0, position 2, is not in [0, vocabSize = 20)";
        for (boolean training : new boolean[] {false, true}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> forward(model, training, tokens))
                    .withMessage(message);
        }
        try (KvCache cache = new KvCache(model.spec(), manager, 1, 8)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> TinyBlocks.decode(model, tokens, cache))
                    .withMessage(message);
            assertThat(cache.length()).isZero();
        }
        model.prepareForInference(Precision.BFLOAT16);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> forward(model, false, tokens))
                .withMessage(message);
    }

    @Test
    void aGeneratorWhoseModelIsGoneSaysSo() {
        NDManager owner = manager.newSubManager();
        Generator generator = new Generator(TinyBlocks.model(owner));
        int[] prompt = {1, 2};
        assertThat(generator.generate(prompt, Sampling.greedy(2))).hasSize(2);
        owner.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> generator.generate(prompt, Sampling.greedy(2)))
                .withMessageContainingAll("weights of the model are freed", "manager");
        Generator without = new Generator((CausalLm) TinyBlocks.MODEL.block());
        assertThatExceptionOfType(UninitializedParameterException.class)
                .isThrownBy(() -> without.generate(prompt, Sampling.greedy(2)))
                .withMessageContaining("initialize or load");
    }

    @Test
    void aCacheIsRefusedOnAClosedManagerAndBeyondAnIntsPositions() {
        NDManager closed = manager.newSubManager();
        closed.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> new KvCache(TinyBlocks.spec(), closed, 1, 8))
                .withMessageContaining("closed");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new KvCache(TinyBlocks.spec(), manager, Integer.MAX_VALUE, 8))
                .withMessageContainingAll("2147483647", "batchSize", "capacity = 8");
        CausalLm model = TinyBlocks.model(manager);
        try (KvCache cache = new KvCache(model.spec(), manager, 1, 8)) {
            NDArray tokens = manager.ones(new Shape(1, 1), DataType.INT64);
            tokens.close();
            assertThatIllegalStateException()
                    .isThrownBy(() -> TinyBlocks.decode(model, tokens, cache))
                    .withMessageContaining("closed");
            assertThat(cache.length()).isZero();
        }
    }

    @Test
    void lossesReadFloat32AndOpenArrays() {
        NDArray labels = manager.zeros(new Shape(1, 3), DataType.INT64);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CausalLmLoss.crossEntropy(manager.ones(new Shape(1, 3, 5), DataType.FLOAT64), labels))
                .withMessageContainingAll("float32", "float64", "(1, 3, 5)");
        NDArray closed = manager.ones(new Shape(1, 3, 5));
        closed.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> CausalLmLoss.crossEntropy(closed, labels))
                .withMessageContainingAll("logits", "closed");
        NDArray gone = manager.zeros(new Shape(1, 3), DataType.INT64);
        gone.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> CausalLmLoss.crossEntropy(manager.ones(new Shape(1, 3, 5)), gone))
                .withMessageContainingAll("labels", "closed");
    }
}
