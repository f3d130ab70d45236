package ai.molae.djl.data.jinja;

/** A word of an expression; {@code text} of a string literal is its value. */
record Token(Kind kind, String text, int line) {

    enum Kind {
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    boolean is(Kind kind, String text) {
        return this.kind == kind && this.text.equals(text);
    }

    @Override
    public String toString() {
        return kind == Kind.END ? "the end of the tag" : "'" + text + "'";
    }
}
