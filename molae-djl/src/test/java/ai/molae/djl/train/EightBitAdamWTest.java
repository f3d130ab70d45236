package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.train.OptimizerReference.Reference;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class EightBitAdamWTest {

    private static final AdamWSpec SPEC =
            AdamWSpec.builder().optSecondMoment(SecondMoment.EIGHT_BIT).build();
    private static final double LEARNING_RATE = 0.01;
    private static final int SIZE = 3 * 20 * 70;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void hasLevelsFromAMillionthToOne() {
        for (double[] levels : new double[][] {EightBitAdamW.signedLevels(), EightBitAdamW.unsignedLevels()}) {
            assertThat(levels).hasSize(256).isSorted().doesNotHaveDuplicates();
            assertThat(levels[255]).isEqualTo(1);
        }
        assertThat(EightBitAdamW.signedLevels()).contains(0, 5.5e-7, -5.5e-7);
        assertThat(EightBitAdamW.unsignedLevels()[0]).isCloseTo(5.5e-8, within(1e-20));
    }

    /** Codes matter from the second step on. */
    @Test
    void takesTheFirstStepExactly() {
        double[][] moved = moved(1);

        for (int i = 0; i < SIZE; i++) {
            assertThat(moved[0][i]).isCloseTo(moved[1][i], within(1e-6));
        }
    }

    /** The exact moments are the reference; 8-bit codes of elements far below the largest of their block have few digits. */
    @Test
    void goesNearlyWhereExactMomentsLead() {
        double[][] moved = moved(10);

        double error = 0;
        double length = 0;
        for (int i = 0; i < SIZE; i++) {
            error += Math.pow(moved[0][i] - moved[1][i], 2);
            length += Math.pow(moved[1][i], 2);
        }
        assertThat(Math.sqrt(error / length)).isBetween(1e-4, 0.06);
    }

    /** Changes of a parameter by 8-bit codes and by the reference, gradients spread over four orders of magnitude. */
    private double[][] moved(int steps) {
        TrainedArrays arrays = new TrainedArrays(manager, 1).matrix("w", 3, 20, 70);
        double[] before = arrays.values("w");
        double[] expected = before.clone();
        Reference reference = OptimizerReference.adamW(SPEC, SIZE);
        Random random = new Random(2);
        try (Optimizer optimizer = Optimizers.of(manager, arrays.byPath(), SPEC, List.of())) {
            for (int step = 0; step < steps; step++) {
                float[] gradient = new float[SIZE];
                for (int i = 0; i < SIZE; i++) {
                    gradient[i] = (float) (Math.pow(10, -(i % 5)) * (1 + 0.5 * random.nextGaussian()));
                }
                arrays.backward(Map.of("w", gradient));
                optimizer.step(LEARNING_RATE, 1, 0);
                reference.step(expected, gradient, LEARNING_RATE, SPEC.weightDecay());
            }
        }
        double[] after = arrays.values("w");
        Arrays.setAll(after, i -> after[i] - before[i]);
        Arrays.setAll(expected, i -> expected[i] - before[i]);
        return new double[][] {after, expected};
    }
}
