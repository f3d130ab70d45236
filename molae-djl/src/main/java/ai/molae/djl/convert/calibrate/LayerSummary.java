package ai.molae.djl.convert.calibrate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How much the moments of a layer can be trusted.
 *
 * @param layer the layer's number in the model
 * @param tokens T, tokens the layer read
 * @param leastCount tokens of the expert that got fewest
 * @param medianCount the median over the experts
 * @param greatestCount tokens of the expert that got most
 * @param unvisited experts without a token, of which the moments say nothing
 * @param conditionNumber greatest by least eigenvalue of C; infinite where the least is 0 within rounding, as with fewer than n tokens
 * @param loadEntropy {@code -Σ f ln f} of the shares f of the choices, in nats: ln N if all experts are chosen alike, 0 without tokens
 */
public record LayerSummary(
        int layer,
        long tokens,
        long leastCount,
        double medianCount,
        long greatestCount,
        List<Integer> unvisited,
        double conditionNumber,
        double loadEntropy) {

    /** Of double. */
    private static final double ROUNDING = 0x1p-52;

    /**
     * Copies the list.
     *
     * @param layer the layer's number
     * @param tokens T
     * @param leastCount the least
     * @param medianCount the median
     * @param greatestCount the greatest
     * @param unvisited experts without a token
     * @param conditionNumber of C
     * @param loadEntropy in nats
     */
    public LayerSummary {
        unvisited = List.copyOf(unvisited);
    }

    /**
     * Sums moments up. Takes the time of finding the eigenvalues of C.
     *
     * @param layer the layer's number in the model
     * @param moments its moments
     * @return the summary
     */
    public static LayerSummary of(int layer, LayerMoments moments) {
        ExpertStatistics statistics = moments.statistics();
        long[] counts = statistics.counts();
        long[] sorted = counts.clone();
        Arrays.sort(sorted);
        int experts = counts.length;
        return new LayerSummary(
                layer,
                statistics.tokens(),
                sorted[0],
                (sorted[(experts - 1) / 2] + sorted[experts / 2]) / 2.0,
                sorted[experts - 1],
                IntStream.range(0, experts).filter(i -> counts[i] == 0).boxed().toList(),
                conditionNumber(moments),
                entropy(counts));
    }

    private static double conditionNumber(LayerMoments moments) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                NDArray input = moments.input(manager)) {
            double[] extremes = MomentOps.extremeEigenvalues(input);
            boolean singular = extremes[0] <= ROUNDING * moments.spec().hiddenSize() * extremes[1];
            return singular ? Double.POSITIVE_INFINITY : extremes[1] / extremes[0];
        }
    }

    private static double entropy(long[] counts) {
        double all = Arrays.stream(counts).sum();
        return Arrays.stream(counts)
                .filter(count -> count > 0)
                .mapToDouble(count -> -count / all * Math.log(count / all))
                .sum();
    }
}
