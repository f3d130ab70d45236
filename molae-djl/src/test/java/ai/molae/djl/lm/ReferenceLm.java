package ai.molae.djl.lm;

import ai.molae.reference.ReferenceMoe;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
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

    /** Logits {@code [B][S][V]}, the sum of the auxiliary losses and what they come from. */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of results, never compared
    record Forward(double[][][] logits, double aux, ReferenceBalance balance) {}

    /** Tokens without padding. */
    Forward forward(int[][] tokens) {
        return forward(tokens, all(tokens));
    }

    private static boolean[][] all(int[][] tokens) {
        boolean[][] mask = new boolean[tokens.length][tokens[0].length];
        for (boolean[] row : mask) {
            Arrays.fill(row, true);
        }
        return mask;
    }

    /** Tokens of which those without mask are padding. */
    Forward forward(int[][] tokens, boolean[][] mask) {
        int n = spec.hiddenSize();
        double[] embedding = parameters.get("embed_tokens");
        double[][][] h = new double[tokens.length][tokens[0].length][];
        for (int b = 0; b < tokens.length; b++) {
            for (int s = 0; s < tokens[b].length; s++) {
                h[b][s] = Arrays.copyOfRange(embedding, tokens[b][s] * n, (tokens[b][s] + 1) * n);
            }
        }
        ReferenceBalance balance = new ReferenceBalance(mask);
        for (int i = 0; i < spec.numLayers(); i++) {
            String layer = String.format("%02dlayers_", i + 1);
            double[] norm1 = parameters.get(layer + "01input_layernorm_weight");
            double[] norm2 = parameters.get(layer + "03post_attention_layernorm_weight");
            for (int b = 0; b < h.length; b++) {
                double[][] y = ReferenceAttention.of(
                        spec.attention(),
                        spec.attention() instanceof GroupedQueryAttentionSpec grouped
                                ? grouped.window(i)
                                : Integer.MAX_VALUE,
                        spec.rmsNormEps(),
                        under(layer + "02self_attn_"),
                        rmsNorm(h[b], norm1, spec.rmsNormEps()),
                        mask[b]);
                add(h[b], y);
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
                balance.add(moe, result.routing(), linear(x, own.get("router"), moe.numExperts()));
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
        return new Forward(logits, balance.loss(), balance);
    }

    /** Mean cross-entropy of the labels that are not -100, plus aux. */
    double loss(int[][] tokens, int[][] labels) {
        return loss(tokens, all(tokens), labels);
    }

    /** The same with padding. */
    double loss(int[][] tokens, boolean[][] mask, int[][] labels) {
        Forward forward = forward(tokens, mask);
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

    static double[] rmsNorm(double[] x, double[] weight, double eps) {
        double squares = 0;
        for (double v : x) {
            squares += v * v;
        }
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            y[i] = x[i] / Math.sqrt(squares / x.length + eps) * weight[i];
        }
        return y;
    }

    static double[][] linear(double[][] x, double[] w, int out) {
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

    static double logSumExp(double[] x) {
        double max = Arrays.stream(x).max().orElseThrow();
        double sum = 0;
        for (double v : x) {
            sum += Math.exp(v - max);
        }
        return max + Math.log(sum);
    }

    private static void add(double[][] x, double[][] y) {
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < x[t].length; i++) {
                x[t][i] += y[t][i];
            }
        }
    }
}
