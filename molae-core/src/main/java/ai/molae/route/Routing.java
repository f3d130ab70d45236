package ai.molae.route;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Which experts every token visits and with which weight. The arrays are held, not copied: whoever passes or receives
 * them must not change them. Two routings are equal only if they hold the same arrays.
 *
 * @param numExperts N
 * @param experts {@code [T, K]} the chosen experts of every token, best choice score first, ties lower expert index
 *     first
 * @param weights {@code [T, K]} p, what multiplies the output of the expert in the same slot; 0 where dropped
 * @param kept {@code [T, K]} whether the expert in the same slot had room for the token; false means dropped
 * @param probabilities {@code [T, N]} the router's distribution over the experts that the balancing loss uses: softmax
 *     of the logits, or for sigmoid scores {@code s / (Σ s + 1e-20)}
 */
@SuppressWarnings("ArrayRecordComponent") // large, read element by element, never compared
public record Routing(int numExperts, int[][] experts, double[][] weights, boolean[][] kept, double[][] probabilities) {

    /**
     * Checks that the shapes agree and every expert exists.
     *
     * @param numExperts N
     * @param experts {@code [T, K]} the chosen experts
     * @param weights {@code [T, K]} p
     * @param kept {@code [T, K]} whether the expert had room
     * @param probabilities {@code [T, N]} the distribution of the balancing loss
     * @throws IllegalArgumentException if two arrays differ in shape or an expert is not in {@code 0 … N-1}
     */
    public Routing {
        check(
                weights.length == experts.length
                        && kept.length == experts.length
                        && probabilities.length == experts.length,
                "experts, weights, kept and probabilities need one row per token, got " + experts.length + ", "
                        + weights.length + ", " + kept.length + " and " + probabilities.length + " rows");
        for (int t = 0; t < experts.length; t++) {
            check(
                    experts[t].length == experts[0].length
                            && weights[t].length == experts[0].length
                            && kept[t].length == experts[0].length,
                    "token " + t + " has " + experts[t].length + " experts, " + weights[t].length + " weights and "
                            + kept[t].length + " kept flags, token 0 has " + experts[0].length + " experts");
            check(
                    probabilities[t].length == numExperts,
                    "token " + t + " has " + probabilities[t].length + " probabilities, numExperts = " + numExperts);
            for (int expert : experts[t]) {
                check(
                        expert >= 0 && expert < numExperts,
                        "token " + t + " chose expert " + expert + ", numExperts = " + numExperts);
            }
        }
    }

    private static void check(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }

    /**
     * The number of tokens.
     *
     * @return T
     */
    public int tokens() {
        return experts.length;
    }

    /**
     * How many tokens chose each expert, before any capacity: the load.
     *
     * @return {@code [N]}, summing to T·K; a new array
     */
    public long[] tokensPerExpert() {
        return tokensPerExpert(0, tokens());
    }

    /** The load of the tokens {@code from} to {@code to - 1}. */
    long[] tokensPerExpert(int from, int to) {
        long[] counts = new long[numExperts];
        for (int t = from; t < to; t++) {
            for (int expert : experts[t]) {
                counts[expert]++;
            }
        }
        return counts;
    }

    /**
     * How many choices were dropped because the expert was full.
     *
     * @return the number of slots that are not kept; 0 when dropless
     */
    public long dropped() {
        long dropped = 0;
        for (boolean[] row : kept) {
            for (boolean slot : row) {
                dropped += slot ? 0 : 1;
            }
        }
        return dropped;
    }

    /**
     * How undecided the router is: the mean over the tokens of the entropy of their probabilities.
     *
     * @return {@code mean −Σ_i P_ti ln P_ti} in nats, from 0 (certain) to ln N; 0 without tokens
     */
    public double meanEntropy() {
        double sum = 0;
        for (double[] row : probabilities) {
            for (double p : row) {
                sum -= p == 0 ? 0 : p * Math.log(p);
            }
        }
        return tokens() == 0 ? 0 : sum / tokens();
    }

    /**
     * The routing of some of the tokens, such as those that are no padding.
     *
     * @param tokens {@code [T]} true for those to keep
     * @return a routing that shares the rows of this one
     * @throws IllegalArgumentException if there are not T flags
     */
    public Routing only(boolean[] tokens) {
        check(tokens.length == tokens(), "got " + tokens.length + " flags for " + tokens() + " tokens");
        int[] rows = IntStream.range(0, tokens.length).filter(t -> tokens[t]).toArray();
        return new Routing(
                numExperts,
                Arrays.stream(rows).mapToObj(t -> experts[t]).toArray(int[][]::new),
                Arrays.stream(rows).mapToObj(t -> weights[t]).toArray(double[][]::new),
                Arrays.stream(rows).mapToObj(t -> kept[t]).toArray(boolean[][]::new),
                Arrays.stream(rows).mapToObj(t -> probabilities[t]).toArray(double[][]::new));
    }
}
