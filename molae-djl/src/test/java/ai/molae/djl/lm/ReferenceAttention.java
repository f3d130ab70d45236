package ai.molae.djl.lm;

import static ai.molae.djl.lm.ReferenceLm.linear;
import static ai.molae.djl.lm.ReferenceLm.logSumExp;
import static ai.molae.djl.lm.ReferenceLm.rmsNorm;

import ai.molae.spec.AttentionSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeScaling;
import java.util.Arrays;
import java.util.Map;

/** Attention of one sequence, position by position in double precision, written to be read; the blocks are compared with it. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record ReferenceAttention(
        AttentionSpec spec,
        int window,
        double eps,
        Map<String, double[]> parameters,
        boolean[] visible,
        int[] lengths) {

    /** Attention of x [S][n] without padding, all of it read at once. */
    static double[][] of(AttentionSpec spec, int window, double eps, Map<String, double[]> parameters, double[][] x) {
        boolean[] visible = new boolean[x.length];
        Arrays.fill(visible, true);
        return of(spec, window, eps, parameters, x, visible);
    }

    /** The same with padding where {@code visible} is false. */
    static double[][] of(
            AttentionSpec spec,
            int window,
            double eps,
            Map<String, double[]> parameters,
            double[][] x,
            boolean[] visible) {
        int[] lengths = new int[x.length];
        Arrays.fill(lengths, count(visible, x.length));
        return new ReferenceAttention(spec, window, eps, parameters, visible, lengths).of(x);
    }

    private static int count(boolean[] visible, int end) {
        int count = 0;
        for (int s = 0; s < end; s++) {
            count += visible[s] ? 1 : 0;
        }
        return count;
    }

    /** Attention of x [S][n]; {@code lengths} says how many tokens the sequence had when each was read. */
    double[][] of(double[][] x) {
        return spec instanceof LatentAttentionSpec latent
                ? latent(latent, x)
                : grouped((GroupedQueryAttentionSpec) spec, x);
    }

    private double[][] grouped(GroupedQueryAttentionSpec grouped, double[][] x) {
        int d = grouped.headDim();
        double[][][] q = heads(grouped, x, "q", grouped.numAttentionHeads());
        double[][][] k = heads(grouped, x, "k", grouped.numKeyValueHeads());
        double[][][] v = heads(grouped, x, "v", grouped.numKeyValueHeads());
        return projected("o_proj", weighted(turned(q, 0), turned(k, 0), v, 1 / Math.sqrt(d)), x[0].length);
    }

    /** [S][heads][d], before the rotation. */
    private double[][][] heads(GroupedQueryAttentionSpec grouped, double[][] x, String name, int heads) {
        int d = grouped.headDim();
        double[][] wide = projected(name + "_proj", x, heads * d);
        double[] norm = parameters.get(name + "_norm");
        if (norm != null && grouped.qkNorm() == QkNorm.FULL) {
            wide = rmsNorm(wide, norm, eps);
        }
        double[][][] y = split(wide, heads);
        for (double[][] position : y) {
            for (int h = 0; h < heads; h++) {
                if (norm != null && grouped.qkNorm() == QkNorm.PER_HEAD) {
                    position[h] = rmsNorm(position[h], norm, eps);
                }
                for (int i = 0; i < d; i++) {
                    position[h][i] = Math.max(-grouped.clipQkv(), Math.min(grouped.clipQkv(), position[h][i]));
                }
            }
        }
        return y;
    }

    private double[][] latent(LatentAttentionSpec latent, double[][] x) {
        int heads = latent.numAttentionHeads();
        int nope = latent.qkNopeHeadDim();
        int rope = latent.qkRopeHeadDim();
        double[][] wideQ = latent.qLoraRank() == 0
                ? projected("q_proj", x, heads * (nope + rope))
                : projected(
                        "q_b_proj",
                        rmsNorm(
                                projected("q_a_proj", x, latent.qLoraRank()),
                                parameters.get("q_a_layernorm"),
                                latent.normEps()),
                        heads * (nope + rope));
        double[][] both = projected("kv_a_proj_with_mqa", x, latent.kvLoraRank() + rope);
        double[][] c =
                rmsNorm(columns(both, 0, latent.kvLoraRank()), parameters.get("kv_a_layernorm"), latent.normEps());
        double[][] sharedKey = columns(both, latent.kvLoraRank(), latent.kvLoraRank() + rope);
        double[][][] keysAndValues = split(projected("kv_b_proj", c, heads * (nope + latent.vHeadDim())), heads);
        double[][][] k = new double[x.length][heads][];
        double[][][] v = new double[x.length][][];
        for (int s = 0; s < x.length; s++) {
            v[s] = columns(keysAndValues[s], nope, nope + latent.vHeadDim());
            for (int h = 0; h < heads; h++) {
                k[s][h] = concatenated(Arrays.copyOf(keysAndValues[s][h], nope), sharedKey[s]);
            }
        }
        double m = latent.rope().scaling() instanceof RopeScaling.Yarn yarn ? yarn.softmaxMscale() : 1;
        double scale = m * m / Math.sqrt(nope + rope);
        return projected("o_proj", weighted(turned(split(wideQ, heads), nope), turned(k, nope), v, scale), x[0].length);
    }

    /** Each position's heads with the columns from {@code from} on turned. */
    private double[][][] turned(double[][][] heads, int from) {
        double[][][] y = new double[heads.length][heads[0].length][];
        for (int s = 0; s < heads.length; s++) {
            int position = Math.max(0, count(visible, s + 1) - 1);
            double[] angles = ReferenceRope.angles(spec.rope(), heads[s][0].length - from, position, lengths[s]);
            for (int h = 0; h < heads[s].length; h++) {
                y[s][h] = ReferenceRope.turned(spec.rope(), heads[s][h], from, angles);
            }
        }
        return y;
    }

    /** Sums of the values with the softmax of what a position sees; q [S][H][d], k [S][G][d], v [S][G][d_v] -> [S][H d_v]. */
    private double[][] weighted(double[][][] q, double[][][] k, double[][][] v, double scale) {
        int heads = q[0].length;
        int width = v[0][0].length;
        double[][] y = new double[q.length][heads * width];
        for (int s = 0; s < q.length; s++) {
            for (int h = 0; h < heads; h++) {
                int g = h / (heads / k[0].length);
                double[] scores = new double[s + 1];
                for (int t = 0; t <= s; t++) {
                    boolean seen = (visible[t] || t == s) && t > s - (long) window;
                    scores[t] = seen ? scale * dot(q[s][h], k[t][g]) : Double.NEGATIVE_INFINITY;
                }
                double norm = logSumExp(scores);
                for (int t = 0; t <= s; t++) {
                    for (int i = 0; i < width; i++) {
                        y[s][h * width + i] += Math.exp(scores[t] - norm) * v[t][g][i];
                    }
                }
            }
        }
        return y;
    }

    private double[][] projected(String name, double[][] x, int out) {
        double[][] y = linear(x, parameters.get(name), out);
        double[] bias = parameters.get(name + "_bias");
        for (int s = 0; bias != null && s < y.length; s++) {
            for (int i = 0; i < out; i++) {
                y[s][i] += bias[i];
            }
        }
        return y;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    private static double[] concatenated(double[] a, double[] b) {
        double[] y = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, y, a.length, b.length);
        return y;
    }

    private static double[][] columns(double[][] x, int from, int to) {
        return Arrays.stream(x).map(row -> Arrays.copyOfRange(row, from, to)).toArray(double[][]::new);
    }

    /** [S][heads d] -> [S][heads][d]. */
    private static double[][][] split(double[][] x, int heads) {
        int d = x[0].length / heads;
        double[][][] y = new double[x.length][heads][];
        for (int s = 0; s < x.length; s++) {
            for (int h = 0; h < heads; h++) {
                y[s][h] = Arrays.copyOfRange(x[s], h * d, (h + 1) * d);
            }
        }
        return y;
    }
}
