package ai.molae.djl.train;

/**
 * Where a run is: with parameters and optimizer state, all that its next steps depend on.
 *
 * @param step optimizer steps done
 * @param tokens tokens trained on, padding left out
 * @param position sequences of the data consumed
 * @param trainingSeconds time spent in steps
 * @param smoothedLoss the loss as {@link DivergenceGuard} smooths it, NaN before the first step
 * @param lowestLoss the lowest that it was, NaN before the first step
 * @param validationLoss of the last evaluation, NaN before it
 * @param evaluatedStep the step after which that was, -1 before it
 */
record TrainingState(
        long step,
        long tokens,
        long position,
        double trainingSeconds,
        double smoothedLoss,
        double lowestLoss,
        double validationLoss,
        long evaluatedStep) {

    static TrainingState start() {
        return new TrainingState(0, 0, 0, 0, Double.NaN, Double.NaN, Double.NaN, -1);
    }

    TrainingState after(long stepTokens, long sequences, double seconds, DivergenceGuard.Level level) {
        return new TrainingState(
                step + 1,
                tokens + stepTokens,
                position + sequences,
                trainingSeconds + seconds,
                level.smoothed(),
                level.lowest(),
                validationLoss,
                evaluatedStep);
    }

    TrainingState validated(double loss) {
        return new TrainingState(step, tokens, position, trainingSeconds, smoothedLoss, lowestLoss, loss, step);
    }

    /** Whether the last evaluation was of the parameters as they are now. */
    boolean evaluated() {
        return evaluatedStep == step;
    }

    /** The validation loss of these parameters, NaN if they were not evaluated. */
    double ownLoss() {
        return evaluated() ? validationLoss : Double.NaN;
    }
}
