package ai.molae.djl.convert.factor;

import java.util.SplittableRandom;

/** Matrices in plain Java, to hold libtorch against. */
final class Dense {

    private Dense() {}

    static double[][] random(SplittableRandom random, int rows, int columns) {
        double[][] a = new double[rows][columns];
        for (double[] row : a) {
            for (int j = 0; j < columns; j++) {
                row[j] = random.nextGaussian();
            }
        }
        return a;
    }

    /** Symmetric, eigenvalues from about 0.05 upwards, far from a multiple of the identity. */
    static double[][] positive(SplittableRandom random, int n) {
        double[][] a = random(random, n, n);
        for (int j = 0; j < n; j++) {
            for (double[] row : a) {
                row[j] *= Math.exp(-3.0 * j / n);
            }
        }
        double[][] c = multiply(a, transpose(a));
        for (int i = 0; i < n; i++) {
            c[i][i] += 0.05;
        }
        return c;
    }

    static double[][] multiply(double[][] a, double[][] b) {
        double[][] c = new double[a.length][b[0].length];
        for (int i = 0; i < a.length; i++) {
            for (int k = 0; k < b.length; k++) {
                for (int j = 0; j < b[0].length; j++) {
                    c[i][j] += a[i][k] * b[k][j];
                }
            }
        }
        return c;
    }

    static double[][] transpose(double[][] a) {
        double[][] t = new double[a[0].length][a.length];
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < a[0].length; j++) {
                t[j][i] = a[i][j];
            }
        }
        return t;
    }

    static double[][] minus(double[][] a, double[][] b) {
        double[][] d = new double[a.length][a[0].length];
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < a[0].length; j++) {
                d[i][j] = a[i][j] - b[i][j];
            }
        }
        return d;
    }

    static double trace(double[][] a) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i][i];
        }
        return sum;
    }

    /** tr(L D C Dᵀ) */
    static double weighted(double[][] left, double[][] d, double[][] right) {
        return trace(multiply(left, multiply(d, multiply(right, transpose(d)))));
    }

    static double[][] identity(int n) {
        double[][] a = new double[n][n];
        for (int i = 0; i < n; i++) {
            a[i][i] = 1;
        }
        return a;
    }

    static double[] flat(double[][] a) {
        double[] flat = new double[a.length * a[0].length];
        for (int i = 0; i < a.length; i++) {
            System.arraycopy(a[i], 0, flat, i * a[0].length, a[0].length);
        }
        return flat;
    }

    static double[][] of(float[] flat, int rows, int columns) {
        double[][] a = new double[rows][columns];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                a[i][j] = flat[i * columns + j];
            }
        }
        return a;
    }
}
