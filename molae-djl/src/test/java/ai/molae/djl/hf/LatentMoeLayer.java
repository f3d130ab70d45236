package ai.molae.djl.hf;

import ai.molae.djl.hf.EditedCheckpoint.Tensor;
import ai.molae.djl.json.StrictJson;
import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** A tiny Nemotron-H checkpoint of random weights, whose layers 1 and 4 are MoE, and LatentMoE's formula written out for them. */
final class LatentMoeLayer {

    static final int HIDDEN = 12;
    static final int LATENT = 5;
    static final int WIDTH = 7;
    static final int EXPERTS = 8;
    static final int TOP_K = 3;
    static final int SHARED = 9;
    private static final double SCALING = 2.5;

    private final EditedCheckpoint checkpoint;
    private final String mixer;

    private LatentMoeLayer(EditedCheckpoint checkpoint, String mixer) {
        this.checkpoint = checkpoint;
        this.mixer = mixer;
    }

    static EditedCheckpoint checkpoint() {
        EditedCheckpoint edited = EditedCheckpoint.of(
                StrictJson.parse(
                        """
                {"model_type": "nemotron_h", "hidden_size": 12, "moe_latent_size": 5, "moe_intermediate_size": 7,
                "moe_shared_expert_intermediate_size": 9, "n_routed_experts": 8, "num_experts_per_tok": 3, "n_shared_experts": 1,
                "mlp_hidden_act": "relu2", "norm_topk_prob": true, "routed_scaling_factor": 2.5, "n_group": 2, "topk_group": 1,
                "hybrid_override_pattern": "MEM*E-", "num_hidden_layers": 6}
                """));
        SplittableRandom random = new SplittableRandom(5);
        for (int layer = 0; layer < 6; layer++) {
            edited.put("backbone.layers." + layer + ".norm.weight", random(random, HIDDEN));
        }
        for (int layer : new int[] {1, 4}) {
            String mixer = "backbone.layers." + layer + ".mixer.";
            edited.put(mixer + "gate.weight", random(random, EXPERTS, HIDDEN))
                    .put(mixer + "gate.e_score_correction_bias", random(random, EXPERTS))
                    .put(mixer + "fc1_latent_proj.weight", random(random, LATENT, HIDDEN))
                    .put(mixer + "fc2_latent_proj.weight", random(random, HIDDEN, LATENT))
                    .put(mixer + "shared_experts.up_proj.weight", random(random, SHARED, HIDDEN))
                    .put(mixer + "shared_experts.down_proj.weight", random(random, HIDDEN, SHARED));
            for (int e = 0; e < EXPERTS; e++) {
                edited.put(mixer + "experts." + e + ".up_proj.weight", random(random, WIDTH, LATENT))
                        .put(mixer + "experts." + e + ".down_proj.weight", random(random, LATENT, WIDTH));
            }
        }
        return edited;
    }

    private static Tensor random(SplittableRandom random, long... shape) {
        float[] values = new float[Math.toIntExact(Arrays.stream(shape).reduce(1, (a, b) -> a * b))];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian() / 2;
        }
        return Tensor.of(values, shape);
    }

    static LatentMoeLayer of(EditedCheckpoint checkpoint, int layer) {
        return new LatentMoeLayer(checkpoint, "backbone.layers." + layer + ".mixer.");
    }

    /** A matrix times a vector. */
    double[] times(String matrix, double[] x) {
        float[] w = checkpoint.tensor(mixer + matrix + ".weight").values();
        double[] y = new double[w.length / x.length];
        for (int i = 0; i < w.length; i++) {
            y[i / x.length] += w[i] * x[i % x.length];
        }
        return y;
    }

    static double[] squaredRelu(double[] h) {
        return Arrays.stream(h).map(v -> Math.pow(Math.max(v, 0), 2)).toArray();
    }

    /** Weights of all experts, 0 where not chosen: sigmoid scores, chosen with bias in the best of two groups, normalised, scaled. */
    double[] probabilities(double[] x) {
        double[] s =
                Arrays.stream(times("gate", x)).map(l -> 1 / (1 + Math.exp(-l))).toArray();
        float[] bias = checkpoint.tensor(mixer + "gate.e_score_correction_bias").values();
        double[] c =
                IntStream.range(0, EXPERTS).mapToDouble(e -> s[e] + bias[e]).toArray();
        int half = EXPERTS / 2;
        int from = topTwo(Arrays.copyOfRange(c, 0, half)) >= topTwo(Arrays.copyOfRange(c, half, EXPERTS)) ? 0 : half;
        int[] chosen = IntStream.range(from, from + half)
                .boxed()
                .sorted(Comparator.comparingDouble(e -> -c[e]))
                .limit(TOP_K)
                .mapToInt(e -> e)
                .toArray();
        double sum = Arrays.stream(chosen).mapToDouble(e -> s[e]).sum();
        double[] p = new double[EXPERTS];
        for (int e : chosen) {
            p[e] = SCALING * s[e] / sum;
        }
        return p;
    }

    private static double topTwo(double[] values) {
        Arrays.sort(values);
        return values[values.length - 1] + values[values.length - 2];
    }

    /** {@code W_up Σ p_e FC2_e relu²(FC1_e W_dn x)} for given weights. */
    double[] routed(double[] x, double[] p) {
        double[] z = times("fc1_latent_proj", x);
        double[] u = new double[LATENT];
        for (int e = 0; e < EXPERTS; e++) {
            double[] out = times("experts." + e + ".down_proj", squaredRelu(times("experts." + e + ".up_proj", z)));
            for (int i = 0; i < LATENT; i++) {
                u[i] += p[e] * out[i];
            }
        }
        return times("fc2_latent_proj", u);
    }

    double[] shared(double[] x) {
        return times("shared_experts.down_proj", squaredRelu(times("shared_experts.up_proj", x)));
    }

    /** The layer. */
    double[] y(double[] x) {
        double[] routed = routed(x, probabilities(x));
        double[] shared = shared(x);
        return IntStream.range(0, HIDDEN)
                .mapToDouble(i -> routed[i] + shared[i])
                .toArray();
    }
}
