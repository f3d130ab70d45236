package ai.molae.djl.data.jinja;

/** How much a template may still compute: about one unit per token it executes and per element or character it touches. */
final class Budget {

    private final long allowed;
    private long left;

    Budget(long allowed) {
        this.allowed = allowed;
        left = allowed;
    }

    /** Called before the work is done. */
    void spend(long units) {
        left -= units;
        if (left < 0 || units < 0) {
            throw new JinjaException("the template computes too much: more than " + allowed
                    + " steps for this input; does it loop for ever or build an enormous text?");
        }
    }

    /** The work of looking for a part of a text, at its worst. */
    void search(String text, String part) {
        spend(text.length() * (1L + part.length() / 16));
    }
}
