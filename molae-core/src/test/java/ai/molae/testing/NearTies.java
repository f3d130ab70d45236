package ai.molae.testing;

import ai.molae.spec.GroupScore;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Finds inputs on which float32 and float64 routers may rightly disagree, so that tests draw others.
 *
 * <p>A small margin may also swap two <em>chosen</em> experts of a token, which changes the order of its slots but not
 * the layer; with {@code orderToo} that counts as a near tie as well.
 */
public final class NearTies {

    /** A margin that float32 rounding of logits of size O(1) cannot cross. */
    public static final double MARGIN = 1e-4;

    private NearTies() {}

    /**
     * The smallest margin of any token: between the last kept and the first rejected group, and between the K-th and
     * the K+1-th choice score inside the kept groups.
     *
     * @param spec the layer
     * @param logitsTN router logits {@code [T, N]}
     * @param correctionBias {@code [N]}, or empty if the spec has none
     * @param orderToo whether neighbours among the chosen count, too
     * @return the margin, in units of the choice score; infinity if there is nothing to choose
     */
    public static double margin(MoeSpec spec, double[][] logitsTN, double[] correctionBias, boolean orderToo) {
        double margin = Double.POSITIVE_INFINITY;
        for (double[] logitsN : logitsTN) {
            margin = Math.min(margin, margin(spec, choiceScores(spec, logitsN, correctionBias), orderToo));
        }
        return margin;
    }

    /**
     * Whether the set of chosen experts of some token hangs on less than {@link #MARGIN}.
     *
     * @param spec the layer
     * @param logitsTN router logits {@code [T, N]}
     * @param correctionBias {@code [N]}, or empty if the spec has none
     * @return true if the inputs should be drawn again
     */
    public static boolean isNear(MoeSpec spec, double[][] logitsTN, double[] correctionBias) {
        return margin(spec, logitsTN, correctionBias, false) < MARGIN;
    }

    private static double[] choiceScores(MoeSpec spec, double[] logitsN, double[] bias) {
        ScoreFunction function = spec.router().scoreFunction();
        double sum = Arrays.stream(logitsN).map(Math::exp).sum();
        double[] c = new double[logitsN.length];
        for (int i = 0; i < c.length; i++) {
            double s =
                    switch (function) {
                        case SOFTMAX -> Math.exp(logitsN[i]) / sum;
                        case SIGMOID -> 1 / (1 + Math.exp(-logitsN[i]));
                        case SOFTMAX_OVER_CHOSEN -> logitsN[i];
                    };
            c[i] = s + (bias.length == 0 ? 0 : bias[i]);
        }
        return c;
    }

    private static double margin(MoeSpec spec, double[] choiceN, boolean orderToo) {
        RouterSpec router = spec.router();
        int size = choiceN.length / router.nGroup();
        double[][] groups = new double[router.nGroup()][];
        double[] groupScores = new double[groups.length];
        for (int g = 0; g < groups.length; g++) {
            groups[g] = descending(Arrays.copyOfRange(choiceN, g * size, (g + 1) * size));
            boolean top2 = router.groupScore() == GroupScore.TOP2_SUM && size > 1;
            groupScores[g] = groups[g][0] + (top2 ? groups[g][1] : 0);
        }
        double[] ranked = descending(groupScores);
        double groupMargin = gap(ranked, router.topkGroup());
        double threshold = ranked[router.topkGroup() - 1];
        double[] eligible = descending(IntStream.range(0, groups.length)
                .filter(g -> groupScores[g] >= threshold)
                .mapToObj(g -> groups[g])
                .flatMapToDouble(Arrays::stream)
                .toArray());
        double margin = Math.min(groupMargin, gap(eligible, spec.topK()));
        for (int rank = 1; orderToo && rank < spec.topK(); rank++) {
            margin = Math.min(margin, gap(eligible, rank));
        }
        return margin;
    }

    /** How far the first {@code count} values are ahead of the next one. */
    private static double gap(double[] ranked, int count) {
        return count < ranked.length ? ranked[count - 1] - ranked[count] : Double.POSITIVE_INFINITY;
    }

    private static double[] descending(double[] values) {
        return Arrays.stream(values).map(v -> -v).sorted().map(v -> -v).toArray();
    }
}
