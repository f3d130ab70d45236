package ai.molae.bench.report;

/** Texts in GitHub's Markdown. */
final class Markdown {

    private static final String SPECIAL = "\\`*_{}[]<>#|~";

    private Markdown() {}

    /** A text that is never markup, in one line. */
    static String escape(String text) {
        StringBuilder escaped = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            if (c == '\n' || c == '\r') {
                escaped.append(' ');
                return;
            }
            if (SPECIAL.indexOf(c) >= 0) {
                escaped.append('\\');
            }
            escaped.appendCodePoint(c);
        });
        return escaped.toString();
    }
}
