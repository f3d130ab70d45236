package ai.molae.djl.data.jinja;

/** A fault of a template: of its syntax, of what it does with the values given, or one it raises itself. */
public final class JinjaException extends IllegalArgumentException {

    private static final long serialVersionUID = 1L;

    /** Whether the message tells the line. */
    private final boolean located;

    /**
     * A fault whose place in the template is not known yet.
     *
     * @param message what is wrong
     */
    public JinjaException(String message) {
        super(message);
        located = false;
    }

    private JinjaException(String message, int line, JinjaException cause) {
        super(message + " (line " + line + " of the template)", cause);
        located = true;
    }

    /** The same fault with its line, the innermost that is known. */
    JinjaException at(int line) {
        return located ? this : new JinjaException(String.valueOf(getMessage()), line, this);
    }
}
