package ai.molae.djl.train;

import java.time.Duration;

/**
 * When a run writes checkpoints and which it keeps. The last complete one is never removed; neither is one kept for its loss.
 *
 * @param everySteps optimizer steps between checkpoints; 0 for none by steps
 * @param every time between checkpoints; zero for none by time. When it has passed, the checkpoint follows the step
 * @param keepLast how many of the latest to keep, at least 1
 * @param keepEverySteps checkpoints of steps that are multiples of this are kept for good; 0 for none
 * @param keepBest whether the checkpoint with the lowest validation loss is kept; each is evaluated before it is written then, if there are validation data
 */
public record CheckpointPolicy(long everySteps, Duration every, int keepLast, long keepEverySteps, boolean keepBest) {

    /**
     * Validates.
     *
     * @param everySteps optimizer steps between checkpoints
     * @param every time between checkpoints
     * @param keepLast how many of the latest to keep
     * @param keepEverySteps what is kept for good
     * @param keepBest whether the best is kept
     * @throws IllegalArgumentException if a number is out of range
     */
    public CheckpointPolicy {
        if (everySteps < 0 || every.isNegative() || keepLast < 1 || keepEverySteps < 0) {
            throw new IllegalArgumentException("need everySteps, every and keepEverySteps of at least 0 and keepLast of"
                    + " at least 1, got " + everySteps + ", " + every + ", " + keepEverySteps + " and " + keepLast);
        }
    }

    /**
     * Every 30 minutes, keeping the last two and the best.
     *
     * @return the policy
     */
    public static CheckpointPolicy standard() {
        return new CheckpointPolicy(0, Duration.ofMinutes(30), 2, 0, true);
    }

    /**
     * Every so many steps, keeping the last two and the best.
     *
     * @param steps optimizer steps, at least 1
     * @return the policy
     */
    public static CheckpointPolicy everySteps(long steps) {
        return new CheckpointPolicy(steps, Duration.ZERO, 2, 0, true);
    }

    /** Whether one is due after a step. */
    boolean isDue(long step, Duration sinceLast) {
        return (everySteps > 0 && step % everySteps == 0) || (!every.isZero() && sinceLast.compareTo(every) >= 0);
    }
}
