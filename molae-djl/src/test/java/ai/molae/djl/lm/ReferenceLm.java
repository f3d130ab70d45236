package ai.molae.djl.lm;

import ai.molae.reference.ReferenceMoe;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import ai.molae.spec.QkNorm;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** A language model token by token in double precision, written to be read; the blocks are compared with it. */
final class ReferenceLm {

    private final ModelSpec spec;
    private final Map<String, double[]> parameters;

    /** Parameters as {@link CausalLm#getParameters()} names them. */
    ReferenceLm(ModelSpec spec, Map<String, double[]> parameters) {
        this.spec = spec;
        this.parameters = parameters;
    }

    /** Logits {@code [B][S][V]} and the sum of the auxiliary losses. */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of results, never compared
    record Forward(double[][][] logits, double aux) {}

    Forward forward(int[][] tokens) {
        int n = spec.hiddenSize();
        double[] embedding = parameters.get("embed_tokens");
        double[][][] h = new double[tokens.length][tokens[0].length][];
        for (int b = 0; b < tokens.length; b++) {
            for (int s = 0; s < tokens[b].length; s++) {
                h[b][s] = Arrays.copyOfRange(embedding, tokens[b][s] * n, (tokens[b][s] + 1) * n);
            }
        }
        double aux = 0;
        for (int i = 0; i < spec.numLayers(); i++) {
            String layer = String.format("%02dlayers_", i + 1);
            double[] norm1 = parameters.get(layer + "01input_layernorm_weight");
            double[] norm2 = parameters.get(layer + "03post_attention_layernorm_weight");
            for (double[][] sequence : h) {
                double[][] y = attention(
                        (GroupedQueryAttentionSpec) spec.attention(),
                        rmsNorm(sequence, norm1, spec.rmsNormEps()),
                        under(layer + "02self_attn_"),
                        spec.rmsNormEps());
                add(sequence, y);
            }
            double[][] all = Arrays.stream(h).flatMap(Arrays::stream).toArray(double[][]::new);
            double[][] x = rmsNorm(all, norm2, spec.rmsNormEps());
            Map<String, double[]> mlp = under(layer + "04mlp_");
            FeedForwardSpec feedForward = spec.feedForwards().get(i);
            if (feedForward instanceof MoeSpec moe) {
                Map<String, double[]> own = new HashMap<>();
                for (ParameterShape parameter : moe.parameters()) {
                    own.put(parameter.name(), mlp.get(parameter.name()));
                }
                ReferenceMoe.Forward result = new ReferenceMoe(moe, own).forward(x);
                add(all, result.y());
                aux += result.auxLoss();
            } else {
                add(all, feedForward((DenseSpec) feedForward, x, mlp));
            }
        }
        double[] last = parameters.get(String.format("%02dnorm_weight", spec.numLayers() + 1));
        double[] head = parameters.getOrDefault("lm_head", embedding);
        double[][][] logits = new double[h.length][][];
        for (int b = 0; b < h.length; b++) {
            logits[b] = linear(rmsNorm(h[b], last, spec.rmsNormEps()), head, spec.vocabSize());
        }
        return new Forward(logits, aux);
    }

    /** Mean cross-entropy of the labels that are not -100, plus aux. */
    double loss(int[][] tokens, int[][] labels) {
        Forward forward = forward(tokens);
        double sum = 0;
        int count = 0;
        for (int b = 0; b < labels.length; b++) {
            for (int s = 0; s < labels[b].length; s++) {
                if (labels[b][s] != -100) {
                    sum += logSumExp(forward.logits()[b][s]) - forward.logits()[b][s][labels[b][s]];
                    count++;
                }
            }
        }
        return sum / Math.max(count, 1) + forward.aux();
    }

    private Map<String, double[]> under(String prefix) {
        Map<String, double[]> found = new HashMap<>();
        parameters.forEach((name, value) -> {
            if (name.startsWith(prefix)) {
                found.put(name.substring(prefix.length()), value);
            }
        });
        return found;
    }

    /** x {@code [S][n]}. */
    static double[][] attention(GroupedQueryAttentionSpec spec, double[][] x, Map<String, double[]> p, double eps) {
        int heads = spec.numAttentionHeads();
        int d = spec.headDim();
        double[][] q = heads(spec, x, p.get("q_proj"), p.get("q_proj_bias"), p.get("q_norm"), eps, true);
        double[][] k = heads(spec, x, p.get("k_proj"), p.get("k_proj_bias"), p.get("k_norm"), eps, true);
        double[][] v = heads(spec, x, p.get("v_proj"), p.get("v_proj_bias"), null, eps, false);
        double[][] y = new double[x.length][heads * d];
        for (int h = 0; h < heads; h++) {
            int g = h / (heads / spec.numKeyValueHeads());
            for (int s = 0; s < x.length; s++) {
                double[] scores = new double[s + 1];
                for (int t = 0; t <= s; t++) {
                    for (int i = 0; i < d; i++) {
                        scores[t] += q[s][h * d + i] * k[t][g * d + i] / Math.sqrt(d);
                    }
                }
                double norm = logSumExp(scores);
                for (int t = 0; t <= s; t++) {
                    for (int i = 0; i < d; i++) {
                        y[s][h * d + i] += Math.exp(scores[t] - norm) * v[t][g * d + i];
                    }
                }
            }
        }
        return linear(y, p.get("o_proj"), x[0].length);
    }

    private static double[][] heads(
            GroupedQueryAttentionSpec spec,
            double[][] x,
            double[] w,
            double[] bias,
            double[] norm,
            double eps,
            boolean rope) {
        int d = spec.headDim();
        int out = w.length / x[0].length;
        double[][] y = linear(x, w, out);
        for (int s = 0; s < y.length; s++) {
            for (int i = 0; bias != null && i < out; i++) {
                y[s][i] += bias[i];
            }
            if (norm != null && spec.qkNorm() == QkNorm.FULL) {
                y[s] = rmsNorm(y[s], norm, eps);
            }
            for (int h = 0; h < out / d; h++) {
                double[] head = Arrays.copyOfRange(y[s], h * d, (h + 1) * d);
                if (norm != null && spec.qkNorm() == QkNorm.PER_HEAD) {
                    head = rmsNorm(head, norm, eps);
                }
                for (int i = 0; rope && i < d / 2; i++) {
                    // The complex number (head[i], head[i + d/2]) times e^(i angle).
                    double angle = s * Math.pow(spec.rope().theta(), -2.0 * i / d);
                    double re = head[i];
                    double im = head[i + d / 2];
                    head[i] = re * Math.cos(angle) - im * Math.sin(angle);
                    head[i + d / 2] = re * Math.sin(angle) + im * Math.cos(angle);
                }
                System.arraycopy(head, 0, y[s], h * d, d);
            }
        }
        return y;
    }

    static double[][] feedForward(DenseSpec spec, double[][] x, Map<String, double[]> p) {
        int m = spec.intermediateSize();
        double[][] wide = linear(x, p.get(spec.gated() ? "gate_up" : "up"), spec.gated() ? 2 * m : m);
        double[][] h = new double[x.length][m];
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < m; i++) {
                h[t][i] = spec.activation().apply(wide[t][i]) * (spec.gated() ? wide[t][m + i] : 1);
            }
        }
        return linear(h, p.get("down"), spec.hiddenSize());
    }

    static double[][] rmsNorm(double[][] x, double[] weight, double eps) {
        return Arrays.stream(x).map(row -> rmsNorm(row, weight, eps)).toArray(double[][]::new);
    }

    private static double[] rmsNorm(double[] x, double[] weight, double eps) {
        double mean = Arrays.stream(x).map(v -> v * v).sum() / x.length;
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            y[i] = x[i] / Math.sqrt(mean + eps) * weight[i];
        }
        return y;
    }

    private static double[][] linear(double[][] x, double[] w, int out) {
        double[][] y = new double[x.length][out];
        for (int t = 0; t < x.length; t++) {
            for (int o = 0; o < out; o++) {
                for (int i = 0; i < x[t].length; i++) {
                    y[t][o] += x[t][i] * w[o * x[t].length + i];
                }
            }
        }
        return y;
    }

    private static double logSumExp(double[] x) {
        double max = Arrays.stream(x).max().orElseThrow();
        return max + Math.log(Arrays.stream(x).map(v -> Math.exp(v - max)).sum());
    }

    private static void add(double[][] x, double[][] y) {
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < x[t].length; i++) {
                x[t][i] += y[t][i];
            }
        }
    }
}
