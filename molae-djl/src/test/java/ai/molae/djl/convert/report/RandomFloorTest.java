package ai.molae.djl.convert.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RandomFloorTest {

    /** With γ = 1, F(t) = (t − sin t)/π and E(t) = (t − sin 2t / 2)/π: at t = π/2 a part 1/2 − 1/π = 0.18169 keeps half. */
    @Test
    void aSquareMatrixKeepsHalfOfItsEnergyInEighteenPerCentOfItsDimensions() {
        assertThat(new RandomFloor(100_000, 100_000).kept(18_169)).isCloseTo(0.5, within(1e-5));
    }

    /** The columns of a very tall matrix are orthogonal, so that all dimensions count alike. */
    @Test
    void aVeryTallMatrixKeepsInProportion() {
        assertThat(new RandomFloor(1_000_000_000_000L, 100).kept(25)).isCloseTo(0.25, within(1e-5));
    }

    @Test
    void nothingKeepsNothingAndAllKeepsAll() {
        RandomFloor floor = new RandomFloor(6, 4);

        assertThat(floor.kept(0)).isCloseTo(0, within(1e-9));
        assertThat(floor.kept(4)).isEqualTo(1);
        assertThat(floor.kept(9)).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({"240, 120", "120, 120", "100, 400"})
    void isWhatARandomMatrixKeeps(int rows, int columns) {
        double[] energies = energies(rows, columns, 7);
        double all = Arrays.stream(energies).sum();
        RandomFloor floor = new RandomFloor(rows, columns);

        for (int r = 10; r < energies.length; r += 15) {
            double kept = Arrays.stream(energies).limit(r).sum() / all;
            assertThat(floor.kept(r)).as("of %d", r).isCloseTo(kept, within(0.01));
        }
    }

    /** Squared singular values of uniform entries, greatest first, by rotating pairs of vectors until all are orthogonal (Hestenes). */
    private static double[] energies(int rows, int columns, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int count = Math.min(rows, columns);
        int length = Math.max(rows, columns);
        double[][] v = new double[count][length];
        for (double[] vector : v) {
            Arrays.setAll(vector, i -> random.nextDouble() - 0.5);
        }
        for (int sweep = 0; sweep < 12; sweep++) {
            for (int i = 0; i < count; i++) {
                for (int j = i + 1; j < count; j++) {
                    rotate(v[i], v[j]);
                }
            }
        }
        return Arrays.stream(v)
                .mapToDouble(vector -> -dot(vector, vector))
                .sorted()
                .map(energy -> -energy)
                .toArray();
    }

    private static void rotate(double[] a, double[] b) {
        double dot = dot(a, b);
        if (dot == 0) {
            return;
        }
        double angle = 0.5 * Math.atan2(2 * dot, dot(a, a) - dot(b, b));
        double cosine = Math.cos(angle);
        double sine = Math.sin(angle);
        for (int i = 0; i < a.length; i++) {
            double x = a[i];
            a[i] = cosine * x + sine * b[i];
            b[i] = cosine * b[i] - sine * x;
        }
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
