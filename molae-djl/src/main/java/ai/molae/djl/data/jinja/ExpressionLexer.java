package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Cuts the inside of a tag into words, up to the mark that ends it outside all brackets. */
final class ExpressionLexer {

    private static final Pattern NAME = Pattern.compile("[\\p{L}_][\\p{L}\\p{N}_]*");
    private static final Pattern NUMBER = Pattern.compile("\\d[\\d_]*(\\.\\d[\\d_]*)?([eE][-+]?\\d+)?");
    private static final Pattern OPERATOR = Pattern.compile("\\*\\*|//|==|!=|<=|>=|[-+*/%~<>=.,:|()\\[\\]{}]");

    private final String source;
    private final String end;
    private final List<Token> tokens = new ArrayList<>();
    private int position;
    private int line;
    private int depth;

    ExpressionLexer(String source, int position, int line, String end) {
        this.source = source;
        this.position = position;
        this.line = line;
        this.end = end;
    }

    /** Where the words end: at the mark, or at the sign before it. */
    int position() {
        return position;
    }

    List<Token> tokens() {
        int first = line;
        while (position < source.length()) {
            char c = source.charAt(position);
            if (depth == 0 && atEnd(c)) {
                tokens.add(new Token(Kind.END, "", line));
                return tokens;
            }
            if (Text.isSpace(c)) {
                line += c == '\n' ? 1 : 0;
                position++;
            } else if (c == '"' || c == '\'') {
                string(c);
            } else if (!take(NUMBER, null) && !take(NAME, Kind.NAME)) {
                if (!take(OPERATOR, Kind.OPERATOR)) {
                    throw new JinjaException("unexpected character '" + c + "' in a tag").at(line);
                }
                depth += "([{".indexOf(c) >= 0 ? 1 : ")]}".indexOf(c) >= 0 ? -1 : 0;
                if (depth < 0) {
                    throw new JinjaException("unexpected '" + c + "' in a tag").at(line);
                }
            }
        }
        throw new JinjaException("a tag has no end " + end).at(first);
    }

    private boolean atEnd(char c) {
        return source.startsWith(end, position) || ((c == '-' || c == '+') && source.startsWith(end, position + 1));
    }

    /** A kind of null means a number. */
    private boolean take(Pattern pattern, @Nullable Kind kind) {
        Matcher matcher = pattern.matcher(source).region(position, source.length());
        if (!matcher.lookingAt()) {
            return false;
        }
        String text = matcher.group();
        if (kind == null) {
            boolean whole = matcher.group(1) == null && matcher.group(2) == null;
            tokens.add(new Token(whole ? Kind.INTEGER : Kind.FLOAT, text.replace("_", ""), line));
        } else {
            tokens.add(new Token(kind, text, line));
        }
        position = matcher.end();
        return true;
    }

    private void string(char quote) {
        int first = line;
        StringBuilder value = new StringBuilder();
        position++;
        while (position < source.length() && source.charAt(position) != quote) {
            char c = source.charAt(position++);
            line += c == '\n' ? 1 : 0;
            if (c == '\\' && position < source.length()) {
                escape(value);
            } else {
                value.append(c);
            }
        }
        if (position == source.length()) {
            throw new JinjaException("a string has no end " + quote).at(first);
        }
        position++;
        tokens.add(new Token(Kind.STRING, value.toString(), first));
    }

    private void escape(StringBuilder value) {
        char c = source.charAt(position++);
        switch (c) {
            case 'n' -> value.append('\n');
            case 't' -> value.append('\t');
            case 'r' -> value.append('\r');
            case 'b' -> value.append('\b');
            case 'f' -> value.append('\f');
            case 'v' -> value.append('\u000B');
            case 'a' -> value.append('\u0007');
            case '0' -> value.append('\0');
            case '\n' -> line++; // the string goes on in the next line
            case 'x' -> hexadecimal(value, 2);
            case 'u' -> hexadecimal(value, 4);
            case 'U' -> hexadecimal(value, 8);
            case '\\', '\'', '"' -> value.append(c);
            default -> value.append('\\').append(c);
        }
    }

    private void hexadecimal(StringBuilder value, int digits) {
        try {
            String hex = source.substring(position, position + digits);
            value.appendCodePoint(Integer.parseUnsignedInt(hex, 16));
            position += digits;
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
            throw new JinjaException(
                            "a string has an escape that is no character: it needs " + digits + " hexadecimal digits")
                    .at(line);
        }
    }
}
