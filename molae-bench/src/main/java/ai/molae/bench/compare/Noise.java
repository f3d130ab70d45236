package ai.molae.bench.compare;

import ai.molae.bench.results.Quartiles;
import java.util.Collection;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How far two processes of one program differ.
 *
 * @param sigma standard deviation of the logarithm of after over before
 * @param assumed whether too few trials are in groups for their spread to say anything
 */
record Noise(double sigma, boolean assumed) {

    /** Fewer have no middle to lie away from. */
    static final int LEAST_GROUP = 3;

    private static final double LEAST = 0.01;

    /** With fewer trials their spread says nothing, and this is taken for it. */
    private static final int TRIALS = 6;

    private static final double USUAL = 0.05;

    /** Of a hundred trials none should stand out by chance. */
    private static final double TRIAL_SIGMAS = 4;

    /** There are few groups. */
    private static final double GROUP_SIGMAS = 3;

    private static final double MAD_OF_NORMAL = 1.4826;

    /** That of the differences within their groups; of time and time over roofline, whichever is noisier. */
    static Noise of(Collection<List<Difference>> groups) {
        int quantities = groups.stream()
                .flatMap(List::stream)
                .mapToInt(difference -> difference.measured().size())
                .min()
                .orElse(0);
        List<double[]> deviations = IntStream.range(0, quantities)
                .mapToObj(which -> deviations(groups, which))
                .toList();
        if (deviations.isEmpty() || deviations.get(0).length < TRIALS) {
            return new Noise(USUAL, true);
        }
        return new Noise(
                deviations.stream()
                        .mapToDouble(values -> Math.max(LEAST, MAD_OF_NORMAL * Quartiles.median(values)))
                        .max()
                        .orElseThrow(),
                false);
    }

    private static double[] deviations(Collection<List<Difference>> groups, int which) {
        return groups.stream()
                .filter(group -> group.size() >= LEAST_GROUP)
                .flatMapToDouble(group -> {
                    double middle = Quartiles.median(group.stream()
                            .mapToDouble(difference -> difference.measured().get(which))
                            .toArray());
                    return group.stream()
                            .mapToDouble(
                                    difference -> Math.abs(difference.measured().get(which) - middle));
                })
                .toArray();
    }

    /** How far a trial's logarithm may be from the truth. */
    double ofTrial(Difference difference) {
        return TRIAL_SIGMAS * Math.sqrt(difference.ownVariance() + sigma * sigma);
    }

    /** How far the mean logarithm of so many trials may be from the truth. */
    double ofGroup(int trials) {
        return GROUP_SIGMAS * sigma / Math.sqrt(trials);
    }
}
