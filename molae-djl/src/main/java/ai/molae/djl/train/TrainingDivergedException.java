package ai.molae.djl.train;

/** The loss or a gradient is no finite number, or the loss has risen far above what it was. The message says which, where, and what to do. */
public class TrainingDivergedException extends IllegalStateException {

    private static final long serialVersionUID = 1;

    /** The number of the step, from 1. */
    private final long step;

    /**
     * An exception.
     *
     * @param step the number of the step that was not made, or after which training was stopped
     * @param message what happened
     */
    public TrainingDivergedException(long step, String message) {
        super(message);
        this.step = step;
    }

    /**
     * When it happened.
     *
     * @return the number of the step, from 1
     */
    public long step() {
        return step;
    }
}
