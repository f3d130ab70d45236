package ai.molae.reference;

import static ai.molae.reference.Matrix.addScaled;

import ai.molae.route.BalanceLoss;
import ai.molae.route.Routing;
import ai.molae.route.TopKRouter;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.EnumMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * A Mixture-of-Experts layer, standard or latent, token by token in double precision. Factored operators are evaluated
 * in the order that makes them cheap (Liu et al., arXiv 2503.23100), never as a materialised {@code W = A B}:
 *
 * <pre>
 *   l      = W_router x,  p = route(l)
 *   z^g    = B_gate^g x, B_up^g x                              once per (token, group)
 *   h_i    = σ(A_gate^i z_gate^g) ⊙ (A_up^i z_up^g)            ungated: σ(A_up^i z_up^g)
 *   s^g    = Σ_{i chosen and kept, g(i) = g} p_i A_down^i h_i  combined in the latent space
 *   y      = Σ_g B_down^g s^g  +  [sigmoid(w·x)] E_shared(x)   one projection per (token, group)
 * </pre>
 *
 * A dense operator is the same with its B left out, and a layer without any factored operator is one group.
 *
 * <p>{@link #backward} is these lines in reverse, each with its derivative written by hand. The layer holds no state
 * between calls and is safe for concurrent use as long as nobody changes the parameters.
 */
public final class ReferenceMoe {

    private final MoeSpec spec;
    private final LayerParameters parameters;
    private final TopKRouter router;
    private final ExpertGroups groups;

    /**
     * Creates a layer.
     *
     * @param spec the layer
     * @param parameters every array that {@link MoeSpec#parameters()} names, flat and row-major. They are held, not
     *     copied: a later change of a value is seen
     * @throws IllegalArgumentException if an array is missing, unexpected or of the wrong size; the message lists every
     *     fault
     */
    public ReferenceMoe(MoeSpec spec, Map<String, double[]> parameters) {
        this.spec = spec;
        this.parameters = LayerParameters.of(spec, parameters);
        this.router = new TopKRouter(spec);
        this.groups = spec.latent().isPresent()
                ? spec.expertGroups()
                : ExpertGroups.contiguous(spec.numExperts(), spec.numExperts());
    }

    /**
     * What the layer makes of a batch. The arrays are the caller's.
     *
     * @param y the output {@code [T, n]}
     * @param routing which experts were chosen
     * @param auxLoss {@code auxLossCoef · switchLoss + zLossCoef · zLoss}, see {@link BalanceLoss}
     */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of results, never compared
    public record Forward(double[][] y, Routing routing, double auxLoss) {}

    /**
     * The gradients of a batch. The arrays are the caller's.
     *
     * @param x the gradient of the input {@code [T, n]}
     * @param parameters the gradient of every trained parameter, under the names and in the order of
     *     {@link MoeSpec#parameters()}, zeros where untouched; {@code e_score_correction_bias} is not trained and
     *     absent
     */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of results, never compared
    public record Gradients(double[][] x, Map<String, double[]> parameters) {}

    /**
     * Evaluates the layer.
     *
     * @param xTn the tokens {@code [T, n]}; T may be 0; not changed
     * @return output, routing and auxiliary loss
     * @throws IllegalArgumentException if a row is not of width n or a router logit is not finite
     */
    public Forward forward(double[][] xTn) {
        checkRows("x", xTn, xTn.length);
        double[][] logitsTN = logits(xTn);
        Routing routing = router.route(logitsTN, parameters.correctionBias());
        double[][] yTn = new double[xTn.length][];
        for (int t = 0; t < xTn.length; t++) {
            double[] yn = new double[spec.hiddenSize()];
            routed(xTn[t], routing, t).sumsG.forEach((g, s) -> addScaled(1, write(g, s), yn));
            if (spec.sharedExpert().isPresent()) {
                addScaled(sharedGate(xTn[t]), shared(xTn[t]), yn);
            }
            yTn[t] = yn;
        }
        return new Forward(yTn, routing, auxLoss(logitsTN, routing));
    }

    /**
     * Differentiates {@code Σ y·gradY + auxLoss·gradAux}.
     *
     * @param xTn the tokens {@code [T, n]}; not changed
     * @param gradYTn the gradient of the output {@code [T, n]}; not changed
     * @param gradAux the gradient of the auxiliary loss
     * @return the gradients of input and parameters
     * @throws IllegalArgumentException if a shape is wrong or a router logit is not finite
     */
    public Gradients backward(double[][] xTn, double[][] gradYTn, double gradAux) {
        checkRows("x", xTn, xTn.length);
        checkRows("gradY", gradYTn, xTn.length);
        double[][] logitsTN = logits(xTn);
        Routing routing = router.route(logitsTN, parameters.correctionBias());
        LayerParameters gradients = LayerParameters.zeros(spec);
        double[][] gradXTn = new double[xTn.length][spec.hiddenSize()];
        double[][] gradWeightsTK = new double[xTn.length][];
        for (int t = 0; t < xTn.length; t++) {
            gradWeightsTK[t] = routedBackward(xTn[t], routing, t, gradYTn[t], gradients, gradXTn[t]);
            if (spec.sharedExpert().isPresent()) {
                sharedBackward(xTn[t], gradYTn[t], gradients, gradXTn[t]);
            }
        }
        double[][] gradLogitsTN = router.backward(logitsTN, routing, gradWeightsTK);
        addAuxLossGradient(logitsTN, routing, gradAux, gradLogitsTN);
        for (int t = 0; t < xTn.length; t++) {
            gradients.router().addOuter(gradLogitsTN[t], xTn[t]);
            addScaled(1, parameters.router().transposedTimes(gradLogitsTN[t]), gradXTn[t]);
        }
        return new Gradients(gradXTn, gradients.arrays());
    }

    // ---- the router ----

    private double[][] logits(double[][] xTn) {
        double[][] logitsTN = new double[xTn.length][];
        for (int t = 0; t < xTn.length; t++) {
            logitsTN[t] = parameters.router().times(xTn[t]);
        }
        return logitsTN;
    }

    private double auxLoss(double[][] logitsTN, Routing routing) {
        return spec.router().auxLossCoef() * BalanceLoss.switchLoss(routing)
                + spec.router().zLossCoef() * BalanceLoss.zLoss(logitsTN);
    }

    private void addAuxLossGradient(double[][] logitsTN, Routing routing, double gradAux, double[][] gradLogitsTN) {
        double[][] gradSwitch = BalanceLoss.switchLossGradient(spec.router().scoreFunction(), logitsTN, routing);
        double[][] gradZ = BalanceLoss.zLossGradient(logitsTN);
        for (int t = 0; t < logitsTN.length; t++) {
            addScaled(gradAux * spec.router().auxLossCoef(), gradSwitch[t], gradLogitsTN[t]);
            addScaled(gradAux * spec.router().zLossCoef(), gradZ[t], gradLogitsTN[t]);
        }
    }

    // ---- the routed experts of one token ----

    /**
     * What a token leaves behind on its way through its experts.
     *
     * @param inputsG per group, what gate and up read: z^g, or x if dense
     * @param hiddenK per kept slot, the inside of the expert
     * @param sumsG per group, s^g
     */
    private record Trace(
            Map<Integer, Map<ExpertOperator, double[]>> inputsG,
            Map<Integer, Hidden> hiddenK,
            Map<Integer, double[]> sumsG) {}

    private Trace routed(double[] xn, Routing routing, int t) {
        Trace trace = new Trace(new TreeMap<>(), new TreeMap<>(), new TreeMap<>());
        for (int slot = 0; slot < spec.topK(); slot++) {
            if (!routing.kept()[t][slot]) {
                continue;
            }
            int i = routing.experts()[t][slot];
            Map<ExpertOperator, double[]> z = trace.inputsG.computeIfAbsent(groups.groupOf(i), g -> read(g, xn));
            Hidden hidden = hidden(operator -> parameters.expert(operator, i), z);
            double[] output = parameters.expert(ExpertOperator.DOWN, i).times(hidden.h);
            double[] s = trace.sumsG.computeIfAbsent(groups.groupOf(i), g -> new double[output.length]);
            addScaled(routing.weights()[t][slot], output, s);
            trace.hiddenK.put(slot, hidden);
        }
        return trace;
    }

    /** Adds to the gradients of x and of the parameters and returns those of the routing weights {@code [K]}. */
    private double[] routedBackward(
            double[] xn, Routing routing, int t, double[] gradYn, LayerParameters gradients, double[] gradXn) {
        Trace trace = routed(xn, routing, t);
        double[] gradWeightsK = new double[spec.topK()];
        Map<Integer, double[]> gradSumsG = new TreeMap<>();
        trace.sumsG.forEach((g, s) -> gradSumsG.put(g, writeBackward(g, s, gradYn, gradients)));
        Map<Integer, Map<ExpertOperator, double[]>> gradInputsG = new TreeMap<>();
        trace.hiddenK.forEach((slot, hidden) -> {
            int i = routing.experts()[t][slot];
            int g = groups.groupOf(i);
            // s += p A h:  dp = ds·(A h),  dA = p ds hᵀ,  dh = p Aᵀ ds
            Matrix down = parameters.expert(ExpertOperator.DOWN, i);
            double[] gradS = require(gradSumsG, g);
            gradWeightsK[slot] = Matrix.dot(gradS, down.times(hidden.h));
            double[] gradOutput = new double[gradS.length];
            addScaled(routing.weights()[t][slot], gradS, gradOutput);
            gradients.expert(ExpertOperator.DOWN, i).addOuter(gradOutput, hidden.h);
            Map<ExpertOperator, double[]> gradZ = hiddenBackward(
                    operator -> parameters.expert(operator, i),
                    operator -> gradients.expert(operator, i),
                    require(trace.inputsG, g),
                    hidden,
                    down.transposedTimes(gradOutput));
            gradInputsG.merge(g, gradZ, ReferenceMoe::sum);
        });
        gradInputsG.forEach((g, gradZ) -> readBackward(g, xn, gradZ, gradients, gradXn));
        return gradWeightsK;
    }

    /** What gate and up of group g read: {@code z = B x}, or x itself where the operator is dense. */
    private Map<ExpertOperator, double[]> read(int g, double[] xn) {
        Map<ExpertOperator, double[]> z = new EnumMap<>(ExpertOperator.class);
        for (ExpertOperator operator : spec.operators()) {
            if (operator != ExpertOperator.DOWN) {
                z.put(
                        operator,
                        spec.isFactored(operator)
                                ? parameters.projection(operator, g).times(xn)
                                : xn);
            }
        }
        return z;
    }

    /** {@code dB = dz xᵀ, dx += Bᵀ dz}. Tied projections are one array, which collects both gradients. */
    private void readBackward(
            int g, double[] xn, Map<ExpertOperator, double[]> gradZ, LayerParameters gradients, double[] gradXn) {
        gradZ.forEach((operator, dz) -> {
            if (spec.isFactored(operator)) {
                gradients.projection(operator, g).addOuter(dz, xn);
                addScaled(1, parameters.projection(operator, g).transposedTimes(dz), gradXn);
            } else {
                addScaled(1, dz, gradXn);
            }
        });
    }

    /** What group g adds to the output: {@code B s}, or s itself where down is dense. */
    private double[] write(int g, double[] s) {
        return spec.isFactored(ExpertOperator.DOWN)
                ? parameters.projection(ExpertOperator.DOWN, g).times(s)
                : s;
    }

    /** {@code dB = dy sᵀ, ds = Bᵀ dy}. */
    private double[] writeBackward(int g, double[] s, double[] gradYn, LayerParameters gradients) {
        if (!spec.isFactored(ExpertOperator.DOWN)) {
            return gradYn;
        }
        gradients.projection(ExpertOperator.DOWN, g).addOuter(gradYn, s);
        return parameters.projection(ExpertOperator.DOWN, g).transposedTimes(gradYn);
    }

    // ---- the inside of one expert, routed or shared ----

    /**
     * The inside of an expert.
     *
     * @param gate {@code [m]} W_gate z; empty if ungated
     * @param up {@code [m]} W_up z
     * @param h {@code [m]} σ(gate) ⊙ up; σ(up) if ungated
     */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of intermediate results, never compared
    private record Hidden(double[] gate, double[] up, double[] h) {}

    private Hidden hidden(Function<ExpertOperator, Matrix> weights, Map<ExpertOperator, double[]> z) {
        Activation sigma = spec.activation();
        double[] up = weights.apply(ExpertOperator.UP).times(require(z, ExpertOperator.UP));
        double[] h = new double[up.length];
        if (!spec.gated()) {
            for (int j = 0; j < h.length; j++) {
                h[j] = sigma.apply(up[j]);
            }
            return new Hidden(new double[0], up, h);
        }
        double[] gate = weights.apply(ExpertOperator.GATE).times(require(z, ExpertOperator.GATE));
        for (int j = 0; j < h.length; j++) {
            h[j] = sigma.apply(gate[j]) * up[j];
        }
        return new Hidden(gate, up, h);
    }

    /** Adds to the gradients of the weights and returns those of z. */
    private Map<ExpertOperator, double[]> hiddenBackward(
            Function<ExpertOperator, Matrix> weights,
            Function<ExpertOperator, Matrix> gradWeights,
            Map<ExpertOperator, double[]> z,
            Hidden hidden,
            double[] gradH) {
        Activation sigma = spec.activation();
        Map<ExpertOperator, double[]> gradPre = new EnumMap<>(ExpertOperator.class);
        double[] gradUp = new double[gradH.length];
        if (spec.gated()) {
            double[] gradGate = new double[gradH.length];
            for (int j = 0; j < gradH.length; j++) {
                gradGate[j] = gradH[j] * hidden.up[j] * sigma.derivative(hidden.gate[j]);
                gradUp[j] = gradH[j] * sigma.apply(hidden.gate[j]);
            }
            gradPre.put(ExpertOperator.GATE, gradGate);
        } else {
            for (int j = 0; j < gradH.length; j++) {
                gradUp[j] = gradH[j] * sigma.derivative(hidden.up[j]);
            }
        }
        gradPre.put(ExpertOperator.UP, gradUp);
        Map<ExpertOperator, double[]> gradZ = new EnumMap<>(ExpertOperator.class);
        gradPre.forEach((operator, gradient) -> {
            gradWeights.apply(operator).addOuter(gradient, require(z, operator));
            gradZ.put(operator, weights.apply(operator).transposedTimes(gradient));
        });
        return gradZ;
    }

    // ---- the shared expert ----

    /** {@code sigmoid(w·x)}; 1 if the shared expert has no gate. */
    private double sharedGate(double[] xn) {
        if (!spec.sharedExpert().orElseThrow().sigmoidGated()) {
            return 1;
        }
        return 1 / (1 + Math.exp(-parameters.sharedGate().times(xn)[0]));
    }

    /** E_shared(x) without its gate. */
    private double[] shared(double[] xn) {
        return parameters.shared(ExpertOperator.DOWN).times(hidden(parameters::shared, dense(xn)).h);
    }

    /** {@code y = a E(x), a = sigmoid(w·x):  dE = a dy,  da = dy·E,  dw = da a(1−a) xᵀ}. */
    private void sharedBackward(double[] xn, double[] gradYn, LayerParameters gradients, double[] gradXn) {
        double a = sharedGate(xn);
        double[] gradOutput = new double[gradYn.length];
        addScaled(a, gradYn, gradOutput);
        Hidden hidden = hidden(parameters::shared, dense(xn));
        gradients.shared(ExpertOperator.DOWN).addOuter(gradOutput, hidden.h);
        double[] gradH = parameters.shared(ExpertOperator.DOWN).transposedTimes(gradOutput);
        hiddenBackward(parameters::shared, gradients::shared, dense(xn), hidden, gradH)
                .values()
                .forEach(gradZ -> addScaled(1, gradZ, gradXn));
        if (spec.sharedExpert().orElseThrow().sigmoidGated()) {
            double[] gradPre = {Matrix.dot(gradYn, shared(xn)) * a * (1 - a)};
            gradients.sharedGate().addOuter(gradPre, xn);
            addScaled(1, parameters.sharedGate().transposedTimes(gradPre), gradXn);
        }
    }

    /** Gate and up both read x. */
    private static Map<ExpertOperator, double[]> dense(double[] xn) {
        return Map.of(ExpertOperator.GATE, xn, ExpertOperator.UP, xn);
    }

    // ---- helpers ----

    private static Map<ExpertOperator, double[]> sum(
            Map<ExpertOperator, double[]> into, Map<ExpertOperator, double[]> other) {
        other.forEach((operator, values) -> addScaled(1, values, require(into, operator)));
        return into;
    }

    private static <K, V> V require(Map<K, V> map, K key) {
        V value = map.get(key);
        if (value == null) {
            throw new IllegalStateException("no " + key + " in " + map.keySet());
        }
        return value;
    }

    private void checkRows(String name, double[][] rows, int tokens) {
        if (rows.length != tokens) {
            throw new IllegalArgumentException(name + " has " + rows.length + " rows, x has " + tokens);
        }
        for (int t = 0; t < tokens; t++) {
            if (rows[t].length != spec.hiddenSize()) {
                throw new IllegalArgumentException(name + " of token " + t + " has width " + rows[t].length
                        + ", expected hiddenSize = " + spec.hiddenSize());
            }
        }
    }
}
