package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a template into segments. White space as Hugging Face sets it up, {@code trim_blocks} and {@code lstrip_blocks}: a newline after a
 * <code>{% %}</code> tag or comment is dropped, and so are blanks between the start of a line and such a tag. A minus sign inside a tag's mark
 * drops all white space on its side, a plus sign keeps it. One newline at the end of the template is dropped.
 */
final class Lexer {

    private static final Pattern OPENING = Pattern.compile("\\{[{%#]");
    private static final Pattern END_RAW = Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(?=[-+]?%\\})");

    private final String source;
    private final List<Segment> segments = new ArrayList<>();
    private int position;
    private int counted;
    private int line = 1;

    private Lexer(String source) {
        this.source = source;
    }

    static List<Segment> split(String template) {
        String source = template.replace("\r\n", "\n").replace('\r', '\n');
        if (source.endsWith("\n")) {
            source = source.substring(0, source.length() - 1);
        }
        Lexer lexer = new Lexer(source);
        lexer.split();
        return lexer.segments;
    }

    private void split() {
        Matcher opening = OPENING.matcher(source);
        while (opening.find(position)) {
            int start = opening.start();
            char kind = source.charAt(start + 1);
            char sign = start + 2 < source.length() ? source.charAt(start + 2) : ' ';
            text(start, sign, kind != '{');
            position = start + (isSign(sign) ? 3 : 2);
            if (kind == '#') {
                comment(start);
            } else {
                tag(kind, start);
            }
        }
        text(source.length(), ' ', false);
    }

    private void comment(int start) {
        int end = source.indexOf("#}", position);
        if (end < 0) {
            throw new JinjaException("a comment {# has no end #}").at(line(start));
        }
        position = end > position && isSign(source.charAt(end - 1)) ? end - 1 : end;
        close("#}", true);
    }

    private void tag(char kind, int start) {
        String end = kind == '{' ? "}}" : "%}";
        ExpressionLexer expression = new ExpressionLexer(source, position, line(start), end);
        List<Token> tokens = expression.tokens();
        position = expression.position();
        boolean raw = kind == '%' && tokens.size() == 2 && tokens.get(0).is(Kind.NAME, "raw");
        close(end, kind == '%' && !raw);
        if (raw) {
            raw(start);
        } else {
            segments.add(new Segment(kind == '{' ? Segment.Kind.OUTPUT : Segment.Kind.TAG, "", tokens, line(start)));
        }
    }

    private void raw(int start) {
        Matcher end = END_RAW.matcher(source);
        if (!end.find(position)) {
            throw new JinjaException("{% raw %} has no {% endraw %}").at(line(start));
        }
        text(end.start(), end.group(1).isEmpty() ? ' ' : end.group(1).charAt(0), true);
        position = end.end();
        close("%}", true);
    }

    /** Adds the text up to a tag that begins at {@code end} with this sign. */
    private void text(int end, char sign, boolean block) {
        String text = source.substring(position, end);
        if (sign == '-') {
            text = Text.stripRight(text);
        } else if (block && sign != '+') {
            int line = text.lastIndexOf('\n') + 1;
            boolean startsLine = line > 0 || position == 0 || source.charAt(position - 1) == '\n';
            if (startsLine && Text.isBlank(text.substring(line))) {
                text = text.substring(0, line);
            }
        }
        if (!text.isEmpty()) {
            segments.add(new Segment(Segment.Kind.TEXT, text, List.of(), line(position)));
        }
    }

    /** Steps over the end of a tag and the white space it drops. */
    private void close(String end, boolean trimmed) {
        char sign = source.charAt(position);
        position += end.length() + (isSign(sign) ? 1 : 0);
        if (sign == '-') {
            while (position < source.length() && Text.isSpace(source.codePointAt(position))) {
                position++;
            }
        } else if (sign != '+' && trimmed && source.startsWith("\n", position)) {
            position++;
        }
    }

    private static boolean isSign(char c) {
        return c == '-' || c == '+';
    }

    /** Counts on from the last question, which was about an earlier place. */
    private int line(int at) {
        for (; counted < at; counted++) {
            line += source.charAt(counted) == '\n' ? 1 : 0;
        }
        return line;
    }
}
