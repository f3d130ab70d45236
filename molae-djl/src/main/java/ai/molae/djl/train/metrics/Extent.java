package ai.molae.djl.train.metrics;

/**
 * A quantity over a span of steps.
 *
 * @param sum of the values
 * @param count how many
 * @param least the least value
 * @param leastStep where
 * @param greatest the greatest value
 * @param greatestStep where
 */
record Extent(double sum, long count, double least, long leastStep, double greatest, long greatestStep) {

    static Extent of(long step, double value) {
        return new Extent(value, 1, value, step, value, step);
    }

    Extent plus(Extent later) {
        boolean lower = later.least < least;
        boolean higher = later.greatest > greatest;
        return new Extent(
                sum + later.sum,
                count + later.count,
                lower ? later.least : least,
                lower ? later.leastStep : leastStep,
                higher ? later.greatest : greatest,
                higher ? later.greatestStep : greatestStep);
    }

    double mean() {
        return sum / count;
    }
}
