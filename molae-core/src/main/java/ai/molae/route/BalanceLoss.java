package ai.molae.route;

import ai.molae.spec.ScoreFunction;
import java.util.Arrays;

/**
 * What keeps the experts evenly used: auxiliary losses with their derivatives, and the loss-free update of the
 * correction bias. Every loss is without its coefficient. A batch without tokens has loss 0.
 *
 * <p>FAQ: libraries differ by a factor of K. Hugging Face's loss, which is {@link #switchLoss}, is K when balanced;
 * Megatron-Core's and DeepSeek's are 1, so a Hugging Face coefficient c is a Megatron coefficient c·K.
 */
public final class BalanceLoss {

    private BalanceLoss() {}

    /**
     * The load-balancing loss of Switch Transformer in Hugging Face's form:
     *
     * <pre>
     *   L = N Σ_i f_i P_i     f_i = choices of expert i / T (before capacity, so Σ f = K)
     *                         P_i = mean over the tokens of the probability of expert i
     * </pre>
     *
     * Balanced experts give K; everything on one expert with certainty gives N (K = 1).
     *
     * @param routing the routing of a batch
     * @return L, at least 0
     */
    public static double switchLoss(Routing routing) {
        return globalLoss(routing, new long[routing.numExperts()], 0);
    }

    /**
     * The derivative of {@link #switchLoss}; f is a count and has none, gradient flows through P only.
     *
     * @param scoreFunction the router's score function, which decides how P follows from the logits
     * @param logitsTN the logits {@code [T, N]} that were routed
     * @param routing what the router made of them
     * @return dL/dl {@code [T, N]}, a new array
     * @throws IllegalArgumentException if the logits are not of shape {@code [T, N]}
     */
    public static double[][] switchLossGradient(ScoreFunction scoreFunction, double[][] logitsTN, Routing routing) {
        return globalLossGradient(scoreFunction, logitsTN, routing, new long[routing.numExperts()], 0);
    }

    /**
     * The load-balancing loss of a pass of an optimizer step over what all passes so far chose (Megatron-Core's {@code global_aux_loss} in the
     * scale of {@link #switchLoss}):
     *
     * <pre>
     *   L = N Σ_i f_i P_i     f_i = (choices of expert i before + in this pass) / (tokens before + T)
     *                         P_i = mean over the tokens of this pass of the probability of expert i
     * </pre>
     *
     * It depends on how the step is cut into passes. Without passes before it is {@link #switchLoss}.
     *
     * @param routing the routing of this pass
     * @param loadBefore {@code [N]} choices of every expert in the passes before; not changed
     * @param tokensBefore tokens of the passes before
     * @return L, at least 0
     * @throws IllegalArgumentException if there are not N loads
     */
    public static double globalLoss(Routing routing, long[] loadBefore, long tokensBefore) {
        double[] fN = choicesPerToken(routing, loadBefore, tokensBefore);
        double sum = 0;
        for (double[] probabilitiesN : routing.probabilities()) {
            for (int i = 0; i < fN.length; i++) {
                sum += fN[i] * probabilitiesN[i];
            }
        }
        return routing.tokens() == 0 ? 0 : routing.numExperts() * sum / routing.tokens();
    }

    /**
     * The derivative of {@link #globalLoss}; gradient flows through P only.
     *
     * @param scoreFunction the router's score function
     * @param logitsTN the logits {@code [T, N]} that were routed
     * @param routing what the router made of them
     * @param loadBefore {@code [N]} choices of every expert in the passes before; not changed
     * @param tokensBefore tokens of the passes before
     * @return dL/dl {@code [T, N]}, a new array
     * @throws IllegalArgumentException if the logits are not of shape {@code [T, N]} or there are not N loads
     */
    public static double[][] globalLossGradient(
            ScoreFunction scoreFunction, double[][] logitsTN, Routing routing, long[] loadBefore, long tokensBefore) {
        checkRows(logitsTN, routing);
        double[] gradProbabilitiesN = choicesPerToken(routing, loadBefore, tokensBefore);
        for (int i = 0; i < gradProbabilitiesN.length; i++) {
            gradProbabilitiesN[i] *= (double) routing.numExperts() / routing.tokens();
        }
        double[][] gradLogitsTN = new double[routing.tokens()][];
        for (int t = 0; t < gradLogitsTN.length; t++) {
            gradLogitsTN[t] = TopKRouter.probabilitiesBackward(scoreFunction, logitsTN[t], gradProbabilitiesN);
        }
        return gradLogitsTN;
    }

    /** f {@code [N]} of {@link #globalLoss}. */
    private static double[] choicesPerToken(Routing routing, long[] loadBefore, long tokensBefore) {
        if (loadBefore.length != routing.numExperts()) {
            throw new IllegalArgumentException("the routing has numExperts = " + routing.numExperts()
                    + ", the load before is of " + loadBefore.length);
        }
        long[] countsN = routing.tokensPerExpert();
        double[] fN = new double[countsN.length];
        for (int i = 0; i < fN.length; i++) {
            fN[i] = (double) (loadBefore[i] + countsN[i]) / (tokensBefore + routing.tokens());
        }
        return fN;
    }

    private static void checkRows(double[][] logitsTN, Routing routing) {
        if (logitsTN.length != routing.tokens()) {
            throw new IllegalArgumentException(
                    "logits has " + logitsTN.length + " rows, the routing has " + routing.tokens() + " tokens");
        }
        for (int t = 0; t < logitsTN.length; t++) {
            if (logitsTN[t].length != routing.numExperts()) {
                throw new IllegalArgumentException("logits of token " + t + " has " + logitsTN[t].length
                        + " values, expected numExperts = " + routing.numExperts());
            }
        }
    }

    /**
     * The sequence-wise load-balancing loss of DeepSeek-V2: balance inside every sequence, averaged over the sequences,
     *
     * <pre>
     *   L = mean_b Σ_i ( n_bi / (S·K/N) ) P_bi     n_bi = choices of expert i in sequence b (before capacity)
     *                                              P_bi = mean probability of expert i in sequence b
     * </pre>
     *
     * Balanced experts give 1. With one sequence it is {@link #switchLoss} divided by K.
     *
     * @param routing the routing of a batch of whole sequences, one after the other
     * @param sequenceLength S
     * @return L, at least 0
     * @throws IllegalArgumentException if S is not positive or does not divide T
     */
    public static double sequenceLoss(Routing routing, int sequenceLength) {
        int tokens = routing.tokens();
        if (sequenceLength < 1 || tokens % sequenceLength != 0) {
            throw new IllegalArgumentException(
                    "sequenceLength must be positive and divide the " + tokens + " tokens, got " + sequenceLength);
        }
        return sequenceLoss(routing, equal(sequenceLength, tokens / sequenceLength));
    }

    /**
     * The same for sequences of different length, such as those that were padded ({@link Routing#only}). The mean is over the tokens:
     *
     * <pre>
     *   L = Σ_b (S_b / T) Σ_i ( n_bi / (S_b·K/N) ) P_bi
     * </pre>
     *
     * so that the losses of parts of a batch, each weighing its tokens, add up to the loss of the batch.
     *
     * @param routing the routing of sequences, one after the other
     * @param lengths S_b of every sequence, 0 included
     * @return L, at least 0
     * @throws IllegalArgumentException if a length is negative or they do not add up to T
     */
    public static double sequenceLoss(Routing routing, int[] lengths) {
        checkLengths(routing, lengths);
        double sum = 0;
        int from = 0;
        for (int length : lengths) {
            double[] gradProbabilitiesN = sequenceGradient(routing, from, length);
            for (int t = from; t < from + length; t++) {
                for (int i = 0; i < gradProbabilitiesN.length; i++) {
                    sum += gradProbabilitiesN[i] * routing.probabilities()[t][i];
                }
            }
            from += length;
        }
        return sum;
    }

    /**
     * The derivative of {@link #sequenceLoss(Routing, int[])}; gradient flows through P only.
     *
     * @param scoreFunction the router's score function
     * @param logitsTN the logits {@code [T, N]} that were routed
     * @param routing what the router made of them
     * @param lengths S_b of every sequence
     * @return dL/dl {@code [T, N]}, a new array
     * @throws IllegalArgumentException if the logits are not of shape {@code [T, N]} or the lengths do not add up to T
     */
    public static double[][] sequenceLossGradient(
            ScoreFunction scoreFunction, double[][] logitsTN, Routing routing, int[] lengths) {
        checkRows(logitsTN, routing);
        checkLengths(routing, lengths);
        double[][] gradLogitsTN = new double[routing.tokens()][];
        int from = 0;
        for (int length : lengths) {
            double[] gradProbabilitiesN = sequenceGradient(routing, from, length);
            for (int t = from; t < from + length; t++) {
                gradLogitsTN[t] = TopKRouter.probabilitiesBackward(scoreFunction, logitsTN[t], gradProbabilitiesN);
            }
            from += length;
        }
        return gradLogitsTN;
    }

    /** What every probability of a sequence is multiplied by in {@link #sequenceLoss(Routing, int[])}: {@code n_bi / (S_b·K/N) / T}. */
    private static double[] sequenceGradient(Routing routing, int from, int length) {
        long[] countsN = routing.tokensPerExpert(from, from + length);
        double[] gradN = new double[countsN.length];
        for (int i = 0; i < gradN.length && length > 0; i++) {
            double balanced = (double) length * routing.experts()[0].length / routing.numExperts();
            gradN[i] = countsN[i] / balanced / routing.tokens();
        }
        return gradN;
    }

    private static int[] equal(int length, int count) {
        int[] lengths = new int[count];
        Arrays.fill(lengths, length);
        return lengths;
    }

    private static void checkLengths(Routing routing, int[] lengths) {
        if (Arrays.stream(lengths).sum() != routing.tokens()
                || Arrays.stream(lengths).anyMatch(length -> length < 0)) {
            throw new IllegalArgumentException("sequences of length " + Arrays.toString(lengths)
                    + " do not make up the " + routing.tokens() + " tokens of the routing");
        }
    }

    /**
     * The router z-loss, which keeps logits small: {@code mean over the tokens of logsumexp(l)²} (Zoph et al., arXiv
     * 2202.08906).
     *
     * @param logitsTN l {@code [T, N]}
     * @return the loss, at least 0
     */
    public static double zLoss(double[][] logitsTN) {
        double sum = 0;
        for (double[] logitsN : logitsTN) {
            double z = Scores.logSumExp(logitsN);
            sum += z * z;
        }
        return logitsTN.length == 0 ? 0 : sum / logitsTN.length;
    }

    /**
     * The derivative of {@link #zLoss}: {@code 2 logsumexp(l) softmax(l) / T}.
     *
     * @param logitsTN l {@code [T, N]}
     * @return dL/dl {@code [T, N]}, a new array
     */
    public static double[][] zLossGradient(double[][] logitsTN) {
        double[][] gradLogitsTN = new double[logitsTN.length][];
        for (int t = 0; t < logitsTN.length; t++) {
            double factor = 2 * Scores.logSumExp(logitsTN[t]) / logitsTN.length;
            gradLogitsTN[t] = Scores.softmax(logitsTN[t]);
            for (int i = 0; i < gradLogitsTN[t].length; i++) {
                gradLogitsTN[t][i] *= factor;
            }
        }
        return gradLogitsTN;
    }

    /**
     * DeepSeek-V3's balancing without a loss, once after every optimiser step: experts with less than the mean load
     * become likelier.
     *
     * <pre>
     *   Δ_i = γ sign(mean(load) − load_i)
     *   b_i = b_i + Δ_i                       or  b_i + Δ_i − mean(Δ)  so that the bias does not drift
     * </pre>
     *
     * @param bias b {@code [N]}; not changed
     * @param load {@code [N]} tokens of every expert since the last update, over all micro-batches and ranks, without
     *     padding
     * @param gamma γ, the step; DeepSeek-V3 uses 0.001
     * @param removeMean whether the mean of Δ is subtracted
     * @return the new bias, a new array
     * @throws IllegalArgumentException if the lengths differ or γ is negative or not finite
     */
    public static double[] biasUpdate(double[] bias, long[] load, double gamma, boolean removeMean) {
        if (bias.length != load.length) {
            throw new IllegalArgumentException("the bias has " + bias.length + " experts, the load " + load.length);
        }
        if (!Double.isFinite(gamma) || gamma < 0) {
            throw new IllegalArgumentException("gamma must be finite and at least 0, got " + gamma);
        }
        long total = 0;
        for (long tokens : load) {
            total += tokens;
        }
        double[] delta = new double[bias.length];
        double meanDelta = 0;
        for (int i = 0; i < delta.length; i++) {
            // total − N·load_i has the sign of mean − load_i and no rounding
            delta[i] = gamma * Long.signum(total - load.length * load[i]);
            meanDelta += delta[i] / delta.length;
        }
        double[] updated = bias.clone();
        for (int i = 0; i < updated.length; i++) {
            updated[i] += removeMean ? delta[i] - meanDelta : delta[i];
        }
        return updated;
    }
}
