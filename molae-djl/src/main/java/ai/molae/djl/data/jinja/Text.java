package ai.molae.djl.data.jinja;

import java.util.function.IntPredicate;

/** Text as Python sees it: a sequence of code points, with Python's idea of white space. */
final class Text {

    private Text() {}

    static boolean isSpace(int codePoint) {
        return Character.isWhitespace(codePoint) || Character.isSpaceChar(codePoint) || codePoint == 0x85;
    }

    /** Nothing but white space, and some of it. */
    static boolean isBlank(String text) {
        return !text.isEmpty() && text.codePoints().allMatch(Text::isSpace);
    }

    static String stripLeft(String text) {
        return stripLeft(text, Text::isSpace);
    }

    static String stripRight(String text) {
        return stripRight(text, Text::isSpace);
    }

    static String stripLeft(String text, IntPredicate unwanted) {
        int from = 0;
        while (from < text.length() && unwanted.test(text.codePointAt(from))) {
            from += Character.charCount(text.codePointAt(from));
        }
        return text.substring(from);
    }

    static String stripRight(String text, IntPredicate unwanted) {
        int to = text.length();
        while (to > 0 && unwanted.test(text.codePointBefore(to))) {
            to -= Character.charCount(text.codePointBefore(to));
        }
        return text.substring(0, to);
    }

    /** The first letter as title case, the others as lower case; every word's, or the text's. */
    static String capitalize(String text, boolean everyWord) {
        StringBuilder result = new StringBuilder();
        boolean first = true;
        for (int codePoint : text.codePoints().toArray()) {
            result.appendCodePoint(first ? Character.toTitleCase(codePoint) : Character.toLowerCase(codePoint));
            first = everyWord && !Character.isLetter(codePoint);
        }
        return result.toString();
    }

    static int count(String text, String part) {
        int count = 0;
        for (int at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length())) {
            count++;
        }
        return count;
    }
}
