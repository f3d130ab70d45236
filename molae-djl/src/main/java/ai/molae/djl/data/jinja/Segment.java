package ai.molae.djl.data.jinja;

import java.util.List;

/** A piece of a template: text, or the words between <code>{{ }}</code> or <code>{% %}</code>, the last one {@link Token.Kind#END}. */
record Segment(Kind kind, String text, List<Token> tokens, int line) {

    enum Kind {
        TEXT,
        OUTPUT,
        TAG
    }
}
