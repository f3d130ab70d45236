package ai.molae.djl.train;

/** A training step that would not fit into memory, found before the first one. */
public final class NotEnoughMemoryException extends IllegalArgumentException {

    private static final long serialVersionUID = 1L;

    /**
     * Says what is needed, what is there and what to change.
     *
     * @param message the message
     */
    public NotEnoughMemoryException(String message) {
        super(message);
    }
}
