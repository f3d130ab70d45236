package ai.molae.bench.soak;

/** A call got other results than the same call before it, or beside it. */
final class DifferentResultException extends RuntimeException {

    private static final long serialVersionUID = 1;

    DifferentResultException(String message) {
        super(message);
    }
}
