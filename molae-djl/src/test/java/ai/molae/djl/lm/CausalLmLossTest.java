package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CausalLmLossTest {

    private NDManager manager;
    private NDArray logits;

    @BeforeEach
    void logitsOfTwoTokens() {
        manager = NDManager.newBaseManager();
        // Softmax 1/4, 1/4, 1/2 and 1/3, 1/3, 1/3.
        logits = manager.create(new float[] {0, 0, (float) Math.log(2), 5, 5, 5}, new Shape(1, 2, 3));
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private double loss(long... labels) {
        try (NDArray loss = CausalLmLoss.crossEntropy(logits, manager.create(labels, new Shape(1, 2)))) {
            assertThat(loss.getShape()).isEqualTo(new Shape());
            assertThat(loss.getDataType()).isEqualTo(DataType.FLOAT32);
            return loss.getFloat();
        }
    }

    @Test
    void isTheMeanOfMinusLogProbability() {
        assertThat(loss(2, 0)).isCloseTo((Math.log(2) + Math.log(3)) / 2, within(1e-6));
        assertThat(loss(0, 2)).isCloseTo((Math.log(4) + Math.log(3)) / 2, within(1e-6));
    }

    @Test
    void leavesIgnoredLabelsOutOfTheMean() {
        assertThat(loss(-100, 1)).isCloseTo(Math.log(3), within(1e-6));
        assertThat(loss(1, -100)).isCloseTo(Math.log(4), within(1e-6));
    }

    @Test
    void isZeroWithZeroGradientsWhenAllLabelsAreIgnored() {
        logits.setRequiresGradient(true);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            NDArray loss = CausalLmLoss.crossEntropy(logits, manager.create(new long[] {-100, -100}, new Shape(1, 2)));
            collector.backward(loss);
            assertThat(loss.getFloat()).isZero();
        }
        assertThat(logits.getGradient().toFloatArray()).containsOnly(0);
    }

    @Test
    void hasTheGradientSoftmaxMinusOneHotOverTheCount() {
        logits.setRequiresGradient(true);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            collector.backward(CausalLmLoss.crossEntropy(logits, manager.create(new long[] {2, 0}, new Shape(1, 2))));
        }
        assertThat(LmFixture.doubles(logits.getGradient()))
                .containsExactly(new double[] {1 / 8.0, 1 / 8.0, -1 / 4.0, -1 / 3.0, 1 / 6.0, 1 / 6.0}, within(1e-6));
    }

    @Test
    void readsInt32Labels() {
        NDArray labels = manager.create(new int[] {2, -100}, new Shape(1, 2));
        assertThat((double) CausalLmLoss.crossEntropy(logits, labels).getFloat())
                .isCloseTo(Math.log(2), within(1e-6));
    }

    @Test
    void addsTheAuxiliaryLossOfTraining() {
        NDList labels = new NDList(manager.create(new long[] {2, -100}, new Shape(1, 2)));
        NDList predictions = new NDList(logits, manager.create(0.25f), manager.create(new long[] {1, 1}));
        CausalLmLoss loss = new CausalLmLoss();
        assertThat(loss.getName()).isEqualTo("CausalLmLoss");
        assertThat((double) loss.evaluate(labels, new NDList(logits)).getFloat())
                .isCloseTo(Math.log(2), within(1e-6));
        assertThat((double) loss.evaluate(labels, predictions).getFloat()).isCloseTo(Math.log(2) + 0.25, within(1e-6));
    }

    @Test
    void refusesALabelOutsideTheVocabularyWithItsPlace() {
        assertThatThrownBy(() -> loss(-100, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "label 3 of sequence 0, position 1, is not in [0, vocabSize = 3); -100 marks labels to leave out");
        assertThatThrownBy(() -> loss(-1, -100))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("label -1 of sequence 0, position 0");
    }

    @Test
    void refusesLabelsOfAnotherShapeOrType() {
        assertThatThrownBy(
                        () -> CausalLmLoss.crossEntropy(logits, manager.create(new long[] {1, 2, 0}, new Shape(1, 3))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("(1, 3)")
                .hasMessageContaining("(1, 2, 3)");
        assertThatThrownBy(() -> CausalLmLoss.crossEntropy(logits, manager.create(new float[] {1, 2}, new Shape(1, 2))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("float32");
    }
}
