package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupScore;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The slow, obvious twin of {@link MoeBlock}: the same layer written with DJL's own array operations and a Java loop over the experts, as one
 * would write it without this library. It is what MoeBlock is checked against and measured against; use MoeBlock for anything else.
 *
 * <pre>
 *   p    = route(x)                                  [T, N], 0 where not chosen
 *   per group g:   z = x B_in^gᵀ                     x itself where gate and up are dense
 *     per expert i:  o_i = p_i ( σ(z A_gate^iᵀ) ⊙ z A_up^iᵀ ) A_down^iᵀ    for the rows of z that chose i
 *     s = Σ_i o_i,   y += s B_out^gᵀ                 s itself where down is dense
 *   y += shared(x)
 * </pre>
 *
 * <p>Autograd flows through whenever it is on. Everything in between is closed before the call returns; autograd keeps what it needs.
 */
public final class NDArrayMoe {

    private static final float LOW = -1e30f;
    private static final float TINY = 1e-20f;

    private final MoeSpec spec;
    private final Map<String, NDArray> parameters;
    private final NDManager manager;

    private NDArrayMoe(MoeSpec spec, Map<String, NDArray> parameters, NDManager manager) {
        this.spec = spec;
        this.parameters = parameters;
        this.manager = manager;
    }

    /**
     * Evaluates the layer in float32.
     *
     * @param spec the layer
     * @param parameters the arrays that {@link MoeSpec#parameters()} names, float32; not changed
     * @param x {@code [..., n]} float32; leading dimensions are flattened to T tokens, T = 0 included
     * @return {@code NDList(y, aux)}: y of the shape of x, aux {@code []}, the auxiliary loss with its coefficients; both owned by the manager
     *     of x
     * @throws IllegalArgumentException if a parameter is missing
     */
    public static NDList forward(MoeSpec spec, Map<String, NDArray> parameters, NDArray x) {
        return evaluate(spec, parameters, x, true);
    }

    /**
     * Evaluates the layer in float32 without its auxiliary loss.
     *
     * @param spec the layer
     * @param parameters the arrays that {@link MoeSpec#parameters()} names, float32; not changed
     * @param x {@code [..., n]} float32; leading dimensions are flattened to T tokens, T = 0 included
     * @return y of the shape of x, owned by the manager of x
     * @throws IllegalArgumentException if a parameter is missing
     */
    public static NDArray infer(MoeSpec spec, Map<String, NDArray> parameters, NDArray x) {
        return evaluate(spec, parameters, x, false).singletonOrThrow();
    }

    private static NDList evaluate(MoeSpec spec, Map<String, NDArray> parameters, NDArray x, boolean withAux) {
        NDManager manager = x.getManager();
        NDList results = new NDList();
        // Slices and transposes of a parameter would stay on the manager of the parameter.
        try (NDScope scope = new NDScope()) {
            NDArrayMoe layer = new NDArrayMoe(spec, parameters, manager);
            NDArray xTn = x.reshape(-1, spec.hiddenSize());
            NDArray logitsTN = linear(xTn, layer.parameter("router"));
            NDArray chosenTN = layer.chosen(logitsTN);
            NDArray weightsTN = layer.weights(logitsTN, chosenTN);
            NDArray y = layer.routed(xTn, layer.kept(chosenTN), weightsTN);
            if (spec.sharedExpert().isPresent()) {
                y = y.add(layer.shared(xTn));
            }
            results.add(y.reshape(x.getShape()));
            if (withAux) {
                results.add(layer.aux(logitsTN, chosenTN));
            }
            NDScope.unregister(results);
        }
        results.attach(manager);
        results.forEach(NDScope::register);
        return results;
    }

    // ---- the router ----

    private NDArray scores(NDArray logitsTN) {
        return switch (spec.router().scoreFunction()) {
            case SOFTMAX -> logitsTN.softmax(-1);
            case SIGMOID -> Activation.sigmoid(logitsTN);
            case SOFTMAX_OVER_CHOSEN -> logitsTN;
        };
    }

    /** {@code [T, N]}: 1 for the chosen experts, else 0. */
    private NDArray chosen(NDArray logitsTN) {
        RouterSpec router = spec.router();
        NDArray choiceTN = scores(logitsTN).stopGradient();
        if (router.correctionBias()) {
            choiceTN = choiceTN.add(parameter("e_score_correction_bias").stopGradient());
        }
        if (router.nGroup() > 1) {
            int size = spec.numExperts() / router.nGroup();
            NDArray membersTGk = choiceTN.reshape(choiceTN.getShape().get(0), router.nGroup(), size);
            NDArray groupScores = router.groupScore() == GroupScore.MAX
                    ? membersTGk.max(new int[] {2})
                    : membersTGk.topK(2, 2).get(0).sum(new int[] {2});
            NDArray allowedTG = top(groupScores, router.topkGroup());
            NDArray allowedTN =
                    allowedTG.expandDims(2).broadcast(membersTGk.getShape()).reshape(choiceTN.getShape());
            choiceTN = without(choiceTN, allowedTN.neg().add(1));
        }
        return top(choiceTN, spec.topK());
    }

    /** 1 at the {@code count} largest values of every row, else 0; ties go to the lower index, which {@code topK} does not promise. */
    private static NDArray top(NDArray values, int count) {
        int width = (int) values.getShape().get(1);
        NDArray taken = values.zerosLike();
        for (int i = 0; i < count; i++) {
            NDArray best = without(values, taken).argMax(1);
            taken = taken.add(best.oneHot(width));
        }
        return taken;
    }

    /** The values with −1e30 where the mask is 1. */
    private static NDArray without(NDArray values, NDArray mask) {
        return values.mul(mask.neg().add(1)).add(mask.mul(LOW)); // the mask has no gradient
    }

    /** p {@code [T, N]}, before capacity. */
    private NDArray weights(NDArray logitsTN, NDArray chosenTN) {
        RouterSpec router = spec.router();
        NDArray weightsTN;
        if (router.scoreFunction() == ScoreFunction.SOFTMAX_OVER_CHOSEN) {
            weightsTN = without(logitsTN, chosenTN.neg().add(1)).softmax(-1);
        } else {
            weightsTN = scores(logitsTN).mul(chosenTN);
            if (router.normTopkProb()) {
                weightsTN = weightsTN.div(weightsTN.sum(new int[] {1}, true).add(TINY));
            }
        }
        return weightsTN.mul(number(router.routedScalingFactor()));
    }

    /** The chosen experts that have room for the token, first come first served. */
    private boolean[][] kept(NDArray chosenTN) {
        int tokens = (int) chosenTN.getShape().get(0);
        int capacity = spec.capacity(tokens);
        float[] chosen = chosenTN.toFloatArray();
        boolean[][] keptNT = new boolean[spec.numExperts()][tokens];
        for (int i = 0; i < keptNT.length; i++) {
            int taken = 0;
            for (int t = 0; t < tokens; t++) {
                keptNT[i][t] = chosen[t * keptNT.length + i] == 1 && taken++ < capacity;
            }
        }
        return keptNT;
    }

    private NDArray aux(NDArray logitsTN, NDArray chosenTN) {
        NDArray rows = number(Math.max(1.0, (double) logitsTN.getShape().get(0)));
        NDArray probabilitiesTN = logitsTN.softmax(-1);
        if (spec.router().scoreFunction() == ScoreFunction.SIGMOID) {
            NDArray scoresTN = scores(logitsTN);
            probabilitiesTN = scoresTN.div(scoresTN.sum(new int[] {1}, true).add(TINY));
        }
        NDArray fN = chosenTN.sum(new int[] {0}).div(rows);
        NDArray meanN = probabilitiesTN.sum(new int[] {0}).div(rows);
        NDArray balance = fN.mul(meanN).sum().mul(number(spec.numExperts()));
        NDArray largest = logitsTN.stopGradient().max(new int[] {1}, true);
        NDArray logSumExp =
                logitsTN.sub(largest).exp().sum(new int[] {1}, true).log().add(largest);
        NDArray z = logSumExp.square().sum().div(rows);
        return balance.mul(number(spec.router().auxLossCoef()))
                .add(z.mul(number(spec.router().zLossCoef())));
    }

    // ---- the experts ----

    private NDArray routed(NDArray xTn, boolean[][] keptNT, NDArray weightsTN) {
        List<Integer> groupOf = spec.latent().isPresent() ? spec.expertGroups().groupOf() : List.of();
        int groups = groupOf.isEmpty() ? 1 : spec.expertGroups().numGroups();
        NDArray yTn = null;
        for (int g = 0; g < groups; g++) {
            NDArray gateIn = latentIn(xTn, ExpertOperator.GATE, g);
            NDArray upIn = latentIn(xTn, ExpertOperator.UP, g);
            // Rows of every expert's output one below the other; row 0 is zero and stands for "not chosen".
            NDArray zero = manager.zeros(new Shape(1, spec.expertWidth(ExpertOperator.DOWN)));
            NDList outputs = new NDList(zero);
            long[] rowOf = new long[keptNT[0].length * spec.topK()];
            int[] used = new int[keptNT[0].length];
            int next = 1;
            for (int i = 0; i < spec.numExperts(); i++) {
                long[] tokens = groupOf.isEmpty() || groupOf.get(i) == g ? indices(keptNT[i]) : new long[0];
                if (tokens.length == 0) {
                    continue;
                }
                NDArray rows = index(tokens);
                NDArray p = weightsTN.get(":, {}", i).get(rows).expandDims(1);
                NDArray h = inside(i, gateIn.get(rows), upIn.get(rows));
                outputs.add(linear(h, parameter("down").get(i)).mul(p));
                for (long t : tokens) {
                    rowOf[(int) t * spec.topK() + used[(int) t]++] = next++;
                }
            }
            NDArray all = outputs.size() == 1 ? zero : NDArrays.concat(outputs, 0);
            NDArray sumTc = all.get(index(rowOf))
                    .reshape(keptNT[0].length, spec.topK(), zero.getShape().get(1))
                    .sum(new int[] {1});
            NDArray out = spec.isFactored(ExpertOperator.DOWN)
                    ? linear(sumTc, parameter("latent_out").get(g))
                    : sumTc;
            yTn = yTn == null ? out : yTn.add(out);
        }
        if (yTn == null) {
            throw new IllegalStateException("a layer without groups: " + spec);
        }
        return yTn;
    }

    /** What gate or up of group g reads. */
    private NDArray latentIn(NDArray xTn, ExpertOperator operator, int g) {
        if (!spec.isFactored(operator)) {
            return xTn;
        }
        int r = spec.expertWidth(operator);
        // Gate comes first, up last; tied they are the same rows.
        int from = operator == ExpertOperator.GATE ? 0 : spec.latentInSize() - r;
        return linear(xTn, parameter("latent_in").get(g).get("{}:{}", from, from + r));
    }

    /** h of expert i. */
    private NDArray inside(int i, NDArray gateIn, NDArray upIn) {
        if (!spec.gated()) {
            return activate(linear(upIn, parameter("up").get(i)));
        }
        if (spec.fusedGateUp()) {
            return gatedProduct(linear(upIn, parameter("gate_up").get(i)));
        }
        return activate(linear(gateIn, parameter("gate").get(i)))
                .mul(linear(upIn, parameter("up").get(i)));
    }

    private NDArray shared(NDArray xTn) {
        NDArray h = spec.gated()
                ? gatedProduct(linear(xTn, parameter("shared_gate_up")))
                : activate(linear(xTn, parameter("shared_up")));
        NDArray y = linear(h, parameter("shared_down"));
        return spec.sharedExpert().orElseThrow().sigmoidGated()
                ? y.mul(Activation.sigmoid(linear(xTn, parameter("shared_gate"))))
                : y;
    }

    /** {@code σ(left half) ⊙ right half}. */
    private NDArray gatedProduct(NDArray gateUp) {
        NDList halves = gateUp.split(2, 1);
        return activate(halves.get(0)).mul(halves.get(1));
    }

    private NDArray activate(NDArray x) {
        return switch (spec.activation()) {
            case SILU -> x.mul(Activation.sigmoid(x));
            case GELU -> Activation.gelu(x);
            case GELU_TANH -> x.square()
                    .mul(x)
                    .mul(number(0.044715))
                    .add(x)
                    .mul(number(Math.sqrt(2 / Math.PI)))
                    .tanh()
                    .add(1)
                    .mul(x)
                    .mul(number(0.5));
            case RELU -> Activation.relu(x);
            case RELU_SQUARED -> Activation.relu(x).square();
        };
    }

    // ---- helpers ----

    /** {@code x Wᵀ}. */
    private static NDArray linear(NDArray x, NDArray w) {
        return x.matMul(w.transpose());
    }

    private NDArray parameter(String name) {
        return MoeOps.require(parameters, name);
    }

    // What DJL creates of Java data lies in a Java buffer that is freed some time after the array is closed, whether
    // autograd still needs it
    // or not. That holds for the operand of mul(Number), div(Number), pow(Number) and Activation.swish, too: their
    // gradients turn wrong
    // when the garbage collector runs between forward and backward. Native memory is counted, so autograd keeps it
    // alive.

    /** A factor that autograd may keep. */
    private NDArray number(double value) {
        return manager.full(new Shape(), (float) value);
    }

    /** An index that autograd may keep. */
    private NDArray index(long[] values) {
        return manager.create(values).duplicate();
    }

    private static long[] indices(boolean[] flags) {
        List<Integer> indices = new ArrayList<>();
        for (int t = 0; t < flags.length; t++) {
            if (flags[t]) {
                indices.add(t);
            }
        }
        return indices.stream().mapToLong(Integer::longValue).toArray();
    }
}
