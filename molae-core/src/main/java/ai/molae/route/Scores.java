package ai.molae.route;

/** Functions from logits to scores over one row, each beside the product of a gradient with its Jacobian. */
final class Scores {

    /** Keeps a division by a sum of scores finite (DeepSeek-V3 uses this value). */
    private static final double EPSILON = 1e-20;

    private Scores() {}

    static double logSumExp(double[] logits) {
        double max = Double.NEGATIVE_INFINITY;
        for (double l : logits) {
            max = Math.max(max, l);
        }
        double sum = 0;
        for (double l : logits) {
            sum += Math.exp(l - max);
        }
        return max + Math.log(sum);
    }

    /** {@code s_i = exp(l_i) / Σ exp(l_j)}. */
    static double[] softmax(double[] logits) {
        double max = Double.NEGATIVE_INFINITY;
        for (double l : logits) {
            max = Math.max(max, l);
        }
        double[] s = new double[logits.length];
        double sum = 0;
        for (int i = 0; i < s.length; i++) {
            s[i] = Math.exp(logits[i] - max);
            sum += s[i];
        }
        for (int i = 0; i < s.length; i++) {
            s[i] /= sum;
        }
        return s;
    }

    /** {@code dl_i = s_i (ds_i − Σ_j s_j ds_j)}. */
    static double[] softmaxBackward(double[] s, double[] gradS) {
        double mean = dot(s, gradS);
        double[] gradLogits = new double[s.length];
        for (int i = 0; i < s.length; i++) {
            gradLogits[i] = s[i] * (gradS[i] - mean);
        }
        return gradLogits;
    }

    /** {@code s_i = 1 / (1 + exp(−l_i))}. */
    static double[] sigmoid(double[] logits) {
        double[] s = new double[logits.length];
        for (int i = 0; i < s.length; i++) {
            s[i] = 1 / (1 + Math.exp(-logits[i]));
        }
        return s;
    }

    /** {@code dl_i = s_i (1 − s_i) ds_i}. */
    static double[] sigmoidBackward(double[] s, double[] gradS) {
        double[] gradLogits = new double[s.length];
        for (int i = 0; i < s.length; i++) {
            gradLogits[i] = s[i] * (1 - s[i]) * gradS[i];
        }
        return gradLogits;
    }

    /** {@code q_i = s_i / (Σ s_j + ε)}. */
    static double[] normalise(double[] s) {
        double divisor = sum(s) + EPSILON;
        double[] q = new double[s.length];
        for (int i = 0; i < s.length; i++) {
            q[i] = s[i] / divisor;
        }
        return q;
    }

    /** {@code ds_i = (dq_i − Σ_j q_j dq_j) / (Σ s_j + ε)}. */
    static double[] normaliseBackward(double[] s, double[] gradQ) {
        double divisor = sum(s) + EPSILON;
        double mean = dot(s, gradQ) / divisor;
        double[] gradS = new double[s.length];
        for (int i = 0; i < s.length; i++) {
            gradS[i] = (gradQ[i] - mean) / divisor;
        }
        return gradS;
    }

    private static double sum(double[] a) {
        double sum = 0;
        for (double value : a) {
            sum += value;
        }
        return sum;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
