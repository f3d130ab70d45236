package ai.molae.route;

import ai.molae.spec.GroupScore;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Top-K choice of experts for every router family a {@link RouterSpec} describes, and its derivative. For each token:
 *
 * <pre>
 *   SOFTMAX              s = softmax(l)
 *   SIGMOID              s = sigmoid(l)
 *   SOFTMAX_OVER_CHOSEN  s = l
 *
 *   c      = s + b                                    b chooses, it never weighs
 *   c      = −∞ outside the topkGroup best groups     group score: max or sum of the top 2 of c
 *   chosen = top K of c                               ties: lower group, lower expert first
 *   p      = s[chosen], for SOFTMAX_OVER_CHOSEN softmax(s[chosen])
 *   p      = p / (Σ p + 1e-20)                        normTopkProb
 *   p      = p · routedScalingFactor
 *   p      = 0 where the expert is full               capacity, in token order
 * </pre>
 *
 * <p>Padding takes no place in an expert: capacity is that of the other tokens, and where there is one, padding visits no expert.
 *
 * <p>Immutable and safe for concurrent use.
 */
public final class TopKRouter {

    private final MoeSpec spec;
    private final RouterSpec router;

    /**
     * Creates the router of a layer.
     *
     * @param spec the layer; only N, K and the router part matter
     */
    public TopKRouter(MoeSpec spec) {
        this.spec = spec;
        this.router = spec.router();
    }

    /**
     * Chooses experts.
     *
     * @param logitsTN l {@code [T, N]}, raw; not changed
     * @param correctionBias b {@code [N]}, or empty when the spec has no correction bias; not changed
     * @return the routing, of arrays of its own
     * @throws IllegalArgumentException if a row has not N logits, the bias has the wrong length, or a number is NaN or
     *     infinite
     */
    public Routing route(double[][] logitsTN, double[] correctionBias) {
        boolean[] all = new boolean[logitsTN.length];
        Arrays.fill(all, true);
        return route(logitsTN, correctionBias, all);
    }

    /**
     * Chooses experts for tokens of which some are padding.
     *
     * @param logitsTN l {@code [T, N]}, raw; not changed
     * @param correctionBias b {@code [N]}, or empty when the spec has no correction bias; not changed
     * @param real {@code [T]} false for padding; not changed
     * @return the routing of all tokens; {@link Routing#only} leaves padding out
     * @throws IllegalArgumentException if a row has not N logits, the bias or the flags have the wrong length, or a number is NaN or infinite
     */
    public Routing route(double[][] logitsTN, double[] correctionBias, boolean[] real) {
        checkLogits(logitsTN);
        checkBias(correctionBias);
        int tokens = logitsTN.length;
        int[][] expertsTK = new int[tokens][];
        double[][] weightsTK = new double[tokens][];
        boolean[][] keptTK = new boolean[tokens][spec.topK()];
        double[][] probabilitiesTN = new double[tokens][];
        if (real.length != tokens) {
            throw new IllegalArgumentException(
                    "real has " + real.length + " flags, expected " + tokens + ", one a token");
        }
        int capacity = spec.capacity(
                (int) IntStream.range(0, tokens).filter(t -> real[t]).count());
        int[] takenN = new int[spec.numExperts()];
        for (int t = 0; t < tokens; t++) {
            double[] scoresN = scores(logitsTN[t]);
            expertsTK[t] = topK(withinBestGroups(plus(scoresN, correctionBias)), spec.topK());
            weightsTK[t] = weights(gather(scoresN, expertsTK[t]));
            probabilitiesTN[t] = probabilities(router.scoreFunction(), logitsTN[t]);
            for (int slot = 0; slot < spec.topK(); slot++) {
                keptTK[t][slot] = real[t] ? takenN[expertsTK[t][slot]]++ < capacity : !router.hasCapacity();
                if (!keptTK[t][slot]) {
                    weightsTK[t][slot] = 0;
                }
            }
        }
        return new Routing(spec.numExperts(), expertsTK, weightsTK, keptTK, probabilitiesTN);
    }

    /**
     * The derivative of {@link #route}: what a gradient of the weights makes of the logits. The choice is piecewise
     * constant, so gradient flows only through the weights of kept slots; with normalisation it reaches dropped experts
     * of the same token too, because their scores are in the divisor. The correction bias has no gradient.
     *
     * @param logitsTN the logits {@code [T, N]} that were routed
     * @param routing what {@link #route} made of them
     * @param gradWeightsTK dp {@code [T, K]}; ignored where dropped
     * @return dl {@code [T, N]}, a new array
     * @throws IllegalArgumentException if a shape does not fit the routing
     */
    public double[][] backward(double[][] logitsTN, Routing routing, double[][] gradWeightsTK) {
        checkLogits(logitsTN);
        checkRows("gradWeights", gradWeightsTK, routing.tokens(), spec.topK());
        checkRows("logits", logitsTN, routing.tokens(), spec.numExperts());
        double[][] gradLogitsTN = new double[logitsTN.length][];
        for (int t = 0; t < logitsTN.length; t++) {
            int[] expertsK = routing.experts()[t];
            double[] gradWeightsK = new double[expertsK.length];
            for (int slot = 0; slot < expertsK.length; slot++) {
                gradWeightsK[slot] = routing.kept()[t][slot] ? gradWeightsTK[t][slot] : 0;
            }
            double[] scoresN = scores(logitsTN[t]);
            double[] gradChosenK = weightsBackward(gather(scoresN, expertsK), gradWeightsK);
            double[] gradScoresN = new double[scoresN.length];
            for (int slot = 0; slot < expertsK.length; slot++) {
                gradScoresN[expertsK[slot]] = gradChosenK[slot];
            }
            gradLogitsTN[t] = scoresBackward(scoresN, gradScoresN);
        }
        return gradLogitsTN;
    }

    private double[] scores(double[] logitsN) {
        return switch (router.scoreFunction()) {
            case SOFTMAX -> Scores.softmax(logitsN);
            case SIGMOID -> Scores.sigmoid(logitsN);
            case SOFTMAX_OVER_CHOSEN -> logitsN;
        };
    }

    private double[] scoresBackward(double[] scoresN, double[] gradScoresN) {
        return switch (router.scoreFunction()) {
            case SOFTMAX -> Scores.softmaxBackward(scoresN, gradScoresN);
            case SIGMOID -> Scores.sigmoidBackward(scoresN, gradScoresN);
            case SOFTMAX_OVER_CHOSEN -> gradScoresN;
        };
    }

    /** p of the chosen scores. */
    private double[] weights(double[] chosenK) {
        double[] p = chosenK;
        if (router.scoreFunction() == ScoreFunction.SOFTMAX_OVER_CHOSEN) {
            p = Scores.softmax(p);
        } else if (router.normTopkProb()) {
            p = Scores.normalise(p);
        }
        return scale(p, router.routedScalingFactor());
    }

    private double[] weightsBackward(double[] chosenK, double[] gradWeightsK) {
        double[] gradP = scale(gradWeightsK, router.routedScalingFactor());
        if (router.scoreFunction() == ScoreFunction.SOFTMAX_OVER_CHOSEN) {
            return Scores.softmaxBackward(Scores.softmax(chosenK), gradP);
        }
        return router.normTopkProb() ? Scores.normaliseBackward(chosenK, gradP) : gradP;
    }

    /** The distribution over all experts that the balancing loss uses. */
    static double[] probabilities(ScoreFunction scoreFunction, double[] logitsN) {
        return scoreFunction == ScoreFunction.SIGMOID
                ? Scores.normalise(Scores.sigmoid(logitsN))
                : Scores.softmax(logitsN);
    }

    /** The derivative of {@link #probabilities}. */
    static double[] probabilitiesBackward(ScoreFunction scoreFunction, double[] logitsN, double[] gradN) {
        if (scoreFunction == ScoreFunction.SIGMOID) {
            double[] s = Scores.sigmoid(logitsN);
            return Scores.sigmoidBackward(s, Scores.normaliseBackward(s, gradN));
        }
        return Scores.softmaxBackward(Scores.softmax(logitsN), gradN);
    }

    /** c with −∞ outside the best groups; −∞ and not 0, because c may be negative. */
    private double[] withinBestGroups(double[] choiceN) {
        int groupSize = spec.numExperts() / router.nGroup();
        double[] groupScores = new double[router.nGroup()];
        for (int g = 0; g < groupScores.length; g++) {
            double[] members = Arrays.copyOfRange(choiceN, g * groupSize, (g + 1) * groupSize);
            Arrays.sort(members);
            groupScores[g] = members[groupSize - 1];
            if (router.groupScore() == GroupScore.TOP2_SUM && groupSize > 1) {
                groupScores[g] += members[groupSize - 2];
            }
        }
        double[] limitedN = new double[choiceN.length];
        Arrays.fill(limitedN, Double.NEGATIVE_INFINITY);
        for (int g : topK(groupScores, router.topkGroup())) {
            System.arraycopy(choiceN, g * groupSize, limitedN, g * groupSize, groupSize);
        }
        return limitedN;
    }

    /** The indices of the {@code count} largest values, largest first, ties lower index first. */
    private static int[] topK(double[] values, int count) {
        boolean[] used = new boolean[values.length];
        int[] indices = new int[count];
        for (int rank = 0; rank < count; rank++) {
            int best = -1;
            for (int i = 0; i < values.length; i++) {
                if (!used[i] && (best < 0 || values[i] > values[best])) {
                    best = i;
                }
            }
            used[best] = true;
            indices[rank] = best;
        }
        return indices;
    }

    private static double[] plus(double[] scoresN, double[] biasN) {
        double[] sum = scoresN.clone();
        for (int i = 0; i < biasN.length; i++) {
            sum[i] += biasN[i];
        }
        return sum;
    }

    private static double[] gather(double[] valuesN, int[] indicesK) {
        return Arrays.stream(indicesK).mapToDouble(i -> valuesN[i]).toArray();
    }

    private static double[] scale(double[] values, double factor) {
        return Arrays.stream(values).map(value -> value * factor).toArray();
    }

    private void checkLogits(double[][] logitsTN) {
        checkRows("logits", logitsTN, logitsTN.length, spec.numExperts());
        for (int t = 0; t < logitsTN.length; t++) {
            for (int i = 0; i < logitsTN[t].length; i++) {
                if (!Double.isFinite(logitsTN[t][i])) {
                    throw new IllegalArgumentException("the logit of token " + t + " for expert " + i + " is "
                            + logitsTN[t][i] + "; look for an overflow in what the router reads or in its weight");
                }
            }
        }
    }

    private void checkBias(double[] biasN) {
        int expected = router.correctionBias() ? spec.numExperts() : 0;
        if (biasN.length != expected) {
            throw new IllegalArgumentException("the correction bias has " + biasN.length + " values, expected "
                    + expected + (router.correctionBias() ? " = numExperts" : ", the router has none"));
        }
        for (int i = 0; i < biasN.length; i++) {
            if (!Double.isFinite(biasN[i])) {
                throw new IllegalArgumentException("the correction bias of expert " + i + " is " + biasN[i]);
            }
        }
    }

    private static void checkRows(String name, double[][] rows, int count, int width) {
        if (rows.length != count) {
            throw new IllegalArgumentException(
                    name + " has " + rows.length + " rows, expected " + count + ", one a token");
        }
        for (int t = 0; t < count; t++) {
            if (rows[t].length != width) {
                throw new IllegalArgumentException(
                        name + " of token " + t + " has " + rows[t].length + " values, expected " + width);
            }
        }
    }
}
