package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DistillationLossTest {

    private static final int VOCAB = 7;
    private static final long[] LABELS = {3, -100, 0, 6, -100, 2};

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final double[][] student = LmFixture.random(6, VOCAB, 1);
    private final double[][] teacher = LmFixture.random(6, VOCAB, 2);

    @AfterEach
    void close() {
        manager.close();
    }

    private record Result(double loss, double[] gradient) {}

    private Result evaluate(DistillationLoss loss, double[][] z, double[][] t, long... labels) {
        long columns = z[0].length;
        Shape shape = new Shape(2, z.length / 2, columns);
        NDArray logits = LmFixture.array(manager, z, shape.getShape());
        logits.setRequiresGradient(true);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            DistillationLoss.Value value;
            try (NDArray theirs = LmFixture.array(manager, t, shape.getShape())) {
                value = loss.evaluate(logits, theirs, manager.create(labels, new Shape(2, z.length / 2)));
            }
            assertThat(value.loss().getShape()).isEqualTo(new Shape());
            assertThat(value.loss().getDataType()).isEqualTo(DataType.FLOAT32);
            collector.backward(value.surrogate());
            return new Result(value.loss().getFloat(), LmFixture.doubles(logits.getGradient()));
        }
    }

    /** The formula, word by word. */
    private static double expected(DistillationLoss loss, double[][] z, double[][] t, long... labels) {
        double sum = 0;
        int count = 0;
        for (int i = 0; i < z.length; i++) {
            if (labels[i] != -100) {
                double hard = -logSoftmax(z[i], 1)[(int) labels[i]];
                double[] q = logSoftmax(z[i], loss.temperature());
                double[] p = logSoftmax(t[i], loss.temperature());
                double divergence = 0;
                for (int v = 0; v < q.length; v++) {
                    divergence += Math.exp(p[v]) * (p[v] - q[v]);
                }
                sum += (1 - loss.share()) * hard + loss.share() * loss.temperature() * loss.temperature() * divergence;
                count++;
            }
        }
        return sum / count;
    }

    private static double[] logSoftmax(double[] x, double temperature) {
        double sum = Arrays.stream(x).map(v -> Math.exp(v / temperature)).sum();
        return Arrays.stream(x).map(v -> v / temperature - Math.log(sum)).toArray();
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "2, 1", "0.5, 0.3", "3, 0.8", "2, 0"})
    void isTheFormulaWithItsGradient(double temperature, double share) {
        DistillationLoss loss = new DistillationLoss(temperature, share);
        Result result = evaluate(loss, student, teacher, LABELS);

        assertThat(result.loss()).isCloseTo(expected(loss, student, teacher, LABELS), within(1e-6));
        double[] differences = new double[6 * VOCAB];
        for (int i = 0; i < differences.length; i++) {
            double h = 1e-5;
            double[] row = student[i / VOCAB];
            double before = row[i % VOCAB];
            row[i % VOCAB] = before + h;
            double above = expected(loss, student, teacher, LABELS);
            row[i % VOCAB] = before - h;
            double below = expected(loss, student, teacher, LABELS);
            row[i % VOCAB] = before;
            differences[i] = (above - below) / (2 * h);
        }
        assertThat(result.gradient()).containsExactly(differences, within(1e-6));
    }

    @Test
    void aStudentThatIsItsTeacherHasNothingToLearn() {
        Result result = evaluate(new DistillationLoss(2, 1), student, student, LABELS);

        assertThat(result.loss()).isZero();
        assertThat(result.gradient()).containsOnly(0);
    }

    @Test
    void isZeroWithZeroGradientsWhenAllLabelsAreIgnored() {
        Result result = evaluate(new DistillationLoss(2, 0.5), student, teacher, -100, -100, -100, -100, -100, -100);

        assertThat(result.loss()).isZero();
        assertThat(result.gradient()).containsOnly(0);
    }

    /** Two rows of this vocabulary are worked on at a time. */
    @Test
    void rowsAreWorkedOnAFewAtATimeWithoutADifference() {
        int vocab = 400_000;
        double[][] z = LmFixture.random(6, vocab, 3);
        double[][] t = LmFixture.random(6, vocab, 4);
        DistillationLoss loss = new DistillationLoss(2, 0.5);
        long[] labels = {5, 399_999, 7, -100, 0, 200_000};

        Result result = evaluate(loss, z, t, labels);

        assertThat(result.loss()).isCloseTo(expected(loss, z, t, labels), within(1e-4));
        for (int row = 0; row < 6; row++) {
            double[] gradient = Arrays.copyOfRange(result.gradient(), row * vocab, (row + 1) * vocab);
            if (labels[row] == -100) {
                assertThat(Arrays.stream(gradient).allMatch(g -> g == 0)).isTrue();
            } else {
                assertThat(gradient[(int) labels[row]]).isCloseTo(-0.5 / 5, within(1e-4));
                assertThat(Arrays.stream(gradient).sum()).isCloseTo(0, within(1e-4));
            }
        }
    }

    @Test
    void refusesLogitsOfAnotherVocabularyAndWrongNumbers() {
        NDArray logits = manager.zeros(new Shape(1, 2, 5));
        NDArray labels = manager.create(new long[] {1, 2}, new Shape(1, 2));
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> new DistillationLoss(1, 1).evaluate(logits, manager.zeros(new Shape(1, 2, 6)), labels))
                .withMessageContaining("(1, 2, 6)")
                .withMessageContaining("(1, 2, 5)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new DistillationLoss(1, 1)
                        .evaluate(
                                logits,
                                manager.zeros(new Shape(1, 2, 5)),
                                manager.create(new long[] {1, 5}, new Shape(1, 2))))
                .withMessageContaining("label 5");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new DistillationLoss(0, 1))
                .withMessageContaining("temperature")
                .withMessageContaining("got 0.0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new DistillationLoss(1, 1.5))
                .withMessageContaining("got 1.5");
    }
}
