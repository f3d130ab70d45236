package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** The simplest conversion: the singular vectors that the stacked matrices of a group have in common, by Jacobi's method. */
final class TruncatedMolae {

    private TruncatedMolae() {}

    /** A model whose factored matrices are the best approximations with common projections. */
    static CausalLm of(CausalLm moe, LatentSpec latent, NDManager manager) {
        CausalLm molae = LatentWarmStart.of(moe, latent, manager, Precision.FLOAT32);
        for (int i = 0; i < moe.layers().size(); i++) {
            if (moe.layers().get(i).feedForward() instanceof MoeBlock from) {
                factor(from, (MoeBlock) molae.layers().get(i).feedForward(), manager);
            }
        }
        return molae;
    }

    private static void factor(MoeBlock from, MoeBlock to, NDManager manager) {
        LatentSpec latent = to.spec().latent().orElseThrow();
        List<Integer> groupOf = to.spec().expertGroups().groupOf();
        int groups = groupOf.stream().mapToInt(g -> g).max().orElseThrow() + 1;
        int behind = 0;
        for (ExpertOperator operator : ExpertOperator.values()) {
            if (!to.spec().isFactored(operator)) {
                continue;
            }
            int r = latent.latentSize(operator);
            boolean down = operator == ExpertOperator.DOWN;
            for (int group = 0; group < groups; group++) {
                double[][] common = new double[0][];
                for (int expert = 0; expert < groupOf.size(); expert++) {
                    if (groupOf.get(expert) == group) {
                        double[][] w = matrix(manager, from, expert, operator);
                        common = plusGram(common, down ? transposed(w) : w);
                    }
                }
                double[][] basis = leading(common, r);
                write(
                        to,
                        down ? "latent_out" : "latent_in",
                        group,
                        down ? 0 : behind,
                        down ? transposed(basis) : basis);
                for (int expert = 0; expert < groupOf.size(); expert++) {
                    if (groupOf.get(expert) == group) {
                        double[][] w = matrix(manager, from, expert, operator);
                        double[][] own = down ? product(basis, w) : product(w, transposed(basis));
                        write(to, operator.name().toLowerCase(Locale.ROOT), expert, 0, own);
                    }
                }
            }
            behind += down ? 0 : r;
        }
    }

    private static double[][] matrix(NDManager manager, MoeBlock block, int expert, ExpertOperator operator) {
        try (NDArray w = ExpertMatrices.of(manager, block, expert, operator)) {
            float[] flat = w.toFloatArray();
            int columns = (int) w.getShape().get(1);
            double[][] matrix = new double[flat.length / columns][columns];
            for (int i = 0; i < flat.length; i++) {
                matrix[i / columns][i % columns] = flat[i];
            }
            return matrix;
        }
    }

    /** Writes rows of one matrix of a stack. */
    private static void write(MoeBlock block, String parameter, int index, int firstRow, double[][] rows) {
        NDArray array = block.getDirectParameters().get(parameter).getArray();
        float[] values = array.toFloatArray();
        int columns = rows[0].length;
        int first = (int) (index * array.getShape().get(1) + firstRow) * columns;
        for (int i = 0; i < rows.length * columns; i++) {
            values[first + i] = (float) rows[i / columns][i % columns];
        }
        array.set(values);
    }

    private static double[][] plusGram(double[][] sum, double[][] w) {
        double[][] gram = product(transposed(w), w);
        for (int i = 0; i < sum.length; i++) {
            for (int j = 0; j < sum.length; j++) {
                gram[i][j] += sum[i][j];
            }
        }
        return gram;
    }

    /** The r leading eigenvectors of a symmetric matrix, as rows. */
    private static double[][] leading(double[][] a, int r) {
        int n = a.length;
        double[][] v = new double[n][n];
        for (int i = 0; i < n; i++) {
            v[i][i] = 1;
        }
        for (int sweep = 0; sweep < 30; sweep++) {
            for (int p = 0; p < n; p++) {
                for (int q = p + 1; q < n; q++) {
                    rotate(a, v, p, q);
                }
            }
        }
        return IntStream.range(0, n)
                .boxed()
                .sorted((i, j) -> Double.compare(a[j][j], a[i][i]))
                .limit(r)
                .map(i -> v[i])
                .toArray(double[][]::new);
    }

    private static void rotate(double[][] a, double[][] v, int p, int q) {
        if (Math.abs(a[p][q]) < 1e-14) {
            return;
        }
        double angle = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
        double c = Math.cos(angle);
        double s = Math.sin(angle);
        for (int k = 0; k < a.length; k++) {
            double x = a[k][p];
            double y = a[k][q];
            a[k][p] = c * x - s * y;
            a[k][q] = s * x + c * y;
        }
        for (double[][] m : List.of(a, v)) {
            for (int k = 0; k < a.length; k++) {
                double x = m[p][k];
                double y = m[q][k];
                m[p][k] = c * x - s * y;
                m[q][k] = s * x + c * y;
            }
        }
    }

    private static double[][] transposed(double[][] x) {
        double[][] t = new double[x[0].length][x.length];
        for (int i = 0; i < x.length; i++) {
            for (int j = 0; j < x[0].length; j++) {
                t[j][i] = x[i][j];
            }
        }
        return t;
    }

    private static double[][] product(double[][] x, double[][] y) {
        double[][] product = new double[x.length][y[0].length];
        for (int i = 0; i < x.length; i++) {
            for (int j = 0; j < y[0].length; j++) {
                for (int k = 0; k < y.length; k++) {
                    product[i][j] += x[i][k] * y[k][j];
                }
            }
        }
        return product;
    }
}
