package ai.molae.djl.train;

import java.util.Arrays;

/** The formulas of the specs in double, written to be read. All update a parameter in place and keep their own state. */
final class OptimizerReference {

    private OptimizerReference() {}

    interface Reference {
        void step(double[] w, float[] g, double lr, double decay);
    }

    static Reference adamW(AdamWSpec spec, int size) {
        double[] m = new double[size];
        double[] v = new double[size];
        int[] t = new int[1];
        return (w, g, lr, decay) -> {
            t[0]++;
            for (int i = 0; i < size; i++) {
                w[i] -= lr * decay * w[i];
                m[i] = spec.beta1() * m[i] + (1 - spec.beta1()) * g[i];
                v[i] = spec.beta2() * v[i] + (1 - spec.beta2()) * g[i] * g[i];
                double mHat = m[i] / (1 - Math.pow(spec.beta1(), t[0]));
                double vHat = v[i] / (1 - Math.pow(spec.beta2(), t[0]));
                w[i] -= lr * mHat / (Math.sqrt(vHat) + spec.epsilon());
            }
        };
    }

    static Reference sgd(SgdSpec spec, int size) {
        double[] b = new double[size];
        return (w, g, lr, decay) -> {
            for (int i = 0; i < size; i++) {
                double decayed = g[i] + decay * w[i];
                b[i] = spec.momentum() * b[i] + decayed;
                w[i] -= lr * (spec.nesterov() ? decayed + spec.momentum() * b[i] : b[i]);
            }
        };
    }

    /** A stack of N matrices of R rows and C columns, second moments by rows and columns. */
    static Reference factored(AdamWSpec spec, int N, int R, int C) {
        double[] m = new double[N * R * C];
        double[][] row = new double[N][R];
        double[][] col = new double[N][C];
        int[] t = new int[1];
        return (w, g, lr, decay) -> {
            t[0]++;
            for (int n = 0; n < N; n++) {
                double[] rowMean = new double[R];
                double[] colMean = new double[C];
                for (int i = 0; i < R * C; i++) {
                    double square = (double) g[n * R * C + i] * g[n * R * C + i];
                    rowMean[i / C] += square / C;
                    colMean[i % C] += square / R;
                }
                for (int r = 0; r < R; r++) {
                    row[n][r] = spec.beta2() * row[n][r] + (1 - spec.beta2()) * rowMean[r];
                }
                for (int c = 0; c < C; c++) {
                    col[n][c] = spec.beta2() * col[n][c] + (1 - spec.beta2()) * colMean[c];
                }
                double mean = Arrays.stream(row[n]).average().orElseThrow();
                for (int i = 0; i < R * C; i++) {
                    int at = n * R * C + i;
                    m[at] = spec.beta1() * m[at] + (1 - spec.beta1()) * g[at];
                    double v = mean == 0 ? 0 : row[n][i / C] * col[n][i % C] / mean;
                    double mHat = m[at] / (1 - Math.pow(spec.beta1(), t[0]));
                    double vHat = v / (1 - Math.pow(spec.beta2(), t[0]));
                    w[at] -= lr * decay * w[at];
                    w[at] -= lr * mHat / (Math.sqrt(vHat) + spec.epsilon());
                }
            }
        };
    }

    /** N matrices of R rows and C columns, one after another. */
    static Reference muon(MuonSpec spec, int N, int R, int C) {
        double[] b = new double[N * R * C];
        return (w, g, lr, decay) -> {
            for (int n = 0; n < N; n++) {
                double[][] x = new double[R][C];
                boolean moves = false;
                for (int i = 0; i < R * C; i++) {
                    moves |= g[n * R * C + i] != 0;
                }
                if (!moves) {
                    continue;
                }
                for (int i = 0; i < R * C; i++) {
                    int at = n * R * C + i;
                    b[at] = spec.momentum() * b[at] + g[at];
                    x[i / C][i % C] = spec.nesterov() ? g[at] + spec.momentum() * b[at] : b[at];
                }
                double[][] o = R > C
                        ? transpose(newtonSchulz(transpose(x), spec.newtonSchulzSteps()))
                        : newtonSchulz(x, spec.newtonSchulzSteps());
                for (int i = 0; i < R * C; i++) {
                    int at = n * R * C + i;
                    w[at] -= lr * decay * w[at] + lr * 0.2 * Math.sqrt(Math.max(R, C)) * o[i / C][i % C];
                }
            }
        };
    }

    private static double[][] newtonSchulz(double[][] x, int steps) {
        double norm = 0;
        for (double[] row : x) {
            norm += Arrays.stream(row).map(v -> v * v).sum();
        }
        double scale = 1 / (Math.sqrt(norm) + 1e-7);
        double[][] y = Arrays.stream(x)
                .map(row -> Arrays.stream(row).map(v -> v * scale).toArray())
                .toArray(double[][]::new);
        for (int i = 0; i < steps; i++) {
            double[][] a = product(y, transpose(y));
            double[][] b = sum(-4.775, a, 2.0315, product(a, a));
            y = sum(3.4445, y, 1, product(b, y));
        }
        return y;
    }

    private static double[][] product(double[][] a, double[][] b) {
        double[][] c = new double[a.length][b[0].length];
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < b[0].length; j++) {
                for (int k = 0; k < b.length; k++) {
                    c[i][j] += a[i][k] * b[k][j];
                }
            }
        }
        return c;
    }

    private static double[][] sum(double s, double[][] a, double t, double[][] b) {
        double[][] c = new double[a.length][a[0].length];
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < a[0].length; j++) {
                c[i][j] = s * a[i][j] + t * b[i][j];
            }
        }
        return c;
    }

    private static double[][] transpose(double[][] a) {
        double[][] c = new double[a[0].length][a.length];
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < a[0].length; j++) {
                c[j][i] = a[i][j];
            }
        }
        return c;
    }
}
