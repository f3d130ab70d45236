package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.function.Predicate;

/** The methods of Python's {@code str} that templates use. */
final class TextMethods {

    static final Set<String> NAMES = Set.of(
            "strip",
            "lstrip",
            "rstrip",
            "startswith",
            "endswith",
            "split",
            "rsplit",
            "splitlines",
            "upper",
            "lower",
            "title",
            "capitalize",
            "replace",
            "join",
            "find",
            "rfind",
            "count",
            "isdigit",
            "isalpha",
            "isalnum",
            "isspace",
            "isupper",
            "islower",
            "removeprefix",
            "removesuffix");

    private TextMethods() {}

    static Object call(String text, String name, Arguments arguments, Budget budget) {
        budget.spend(1 + text.length() + arguments.size());
        return switch (name) {
            case "strip" -> strip(text, arguments.bind(name, "chars")[0], true, true);
            case "lstrip" -> strip(text, arguments.bind(name, "chars")[0], true, false);
            case "rstrip" -> strip(text, arguments.bind(name, "chars")[0], false, true);
            case "startswith" -> any(arguments.bind(name, "prefix")[0], text::startsWith);
            case "endswith" -> any(arguments.bind(name, "suffix")[0], text::endsWith);
            case "split", "rsplit" -> split(text, name.equals("rsplit"), arguments, budget);
            case "splitlines" -> List.<Object>copyOf(text.lines().toList());
            case "upper" -> text.toUpperCase(Locale.ROOT);
            case "lower" -> text.toLowerCase(Locale.ROOT);
            case "title" -> Text.capitalize(text, true);
            case "capitalize" -> Text.capitalize(text, false);
            case "replace" -> replace(text, arguments, budget);
            case "join" -> {
                List<Object> parts = Values.elements(arguments.bind(name, "iterable")[0], budget);
                parts.forEach(Values::string);
                yield join(text, parts, budget);
            }
            case "find" -> (long) index(text, text.indexOf(part(text, name, arguments, budget)));
            case "rfind" -> (long) index(text, text.lastIndexOf(part(text, name, arguments, budget)));
            case "count" -> (long) Text.count(text, part(text, name, arguments, budget));
            case "isdigit" -> all(text, Character::isDigit);
            case "isalpha" -> all(text, Character::isLetter);
            case "isalnum" -> all(text, Character::isLetterOrDigit);
            case "isspace" -> all(text, Text::isSpace);
            case "isupper" -> !text.equals(text.toLowerCase(Locale.ROOT)) && text.equals(text.toUpperCase(Locale.ROOT));
            case "islower" -> !text.equals(text.toUpperCase(Locale.ROOT)) && text.equals(text.toLowerCase(Locale.ROOT));
            case "removeprefix" -> {
                String prefix = Values.string(arguments.bind(name, "prefix")[0]);
                yield text.startsWith(prefix) ? text.substring(prefix.length()) : text;
            }
            case "removesuffix" -> {
                String suffix = Values.string(arguments.bind(name, "suffix")[0]);
                yield text.endsWith(suffix) ? text.substring(0, text.length() - suffix.length()) : text;
            }
            default -> throw new IllegalStateException(name);
        };
    }

    private static boolean all(String text, IntPredicate wanted) {
        return !text.isEmpty() && text.codePoints().allMatch(wanted);
    }

    /** Python counts code points. */
    private static int index(String text, int at) {
        return at < 0 ? at : text.codePointCount(0, at);
    }

    private static String part(String text, String name, Arguments arguments, Budget budget) {
        String part = Values.string(arguments.bind(name, "sub")[0]);
        budget.search(text, part);
        if (name.equals("count") && part.isEmpty()) {
            throw new JinjaException("count needs a text that is not empty");
        }
        return part;
    }

    private static boolean any(Object parts, Predicate<String> matches) {
        if (parts instanceof List<?> list) {
            return list.stream().anyMatch(part -> matches.test(Values.string(part)));
        }
        return matches.test(Values.string(parts));
    }

    static String strip(String text, Object chars, boolean left, boolean right) {
        IntPredicate unwanted = Text::isSpace;
        if (!(chars instanceof Undefined) && !chars.equals(Values.NONE)) {
            Set<Integer> set = new HashSet<>();
            Values.string(chars).codePoints().forEach(set::add);
            unwanted = set::contains;
        }
        String stripped = left ? Text.stripLeft(text, unwanted) : text;
        return right ? Text.stripRight(stripped, unwanted) : stripped;
    }

    static String join(String separator, List<Object> parts, Budget budget) {
        budget.spend(separator.length() * (long) parts.size());
        StringBuilder joined = new StringBuilder();
        for (int i = 0; i < parts.size(); i++) {
            joined.append(i == 0 ? "" : separator).append(Values.text(parts.get(i), budget));
        }
        return joined.toString();
    }

    static String replace(String text, Arguments arguments, Budget budget) {
        Object[] bound = arguments.bind("replace", "old", "new", "count");
        String old = Values.string(bound[0]);
        String replacement = Values.string(bound[1]);
        long most = bound[2] instanceof Undefined || bound[2].equals(Values.NONE) ? -1 : Values.integer(bound[2]);
        budget.search(text, old);
        // An empty text stands before every character and at the end.
        long count = old.isEmpty() ? text.length() + 1L : Text.count(text, old);
        count = most < 0 ? count : Math.min(count, most);
        budget.spend(count * replacement.length());
        StringBuilder replaced = new StringBuilder();
        int from = 0;
        for (long i = 0; i < count; i++) {
            int at = text.indexOf(old, old.isEmpty() && i > 0 ? from + 1 : from);
            replaced.append(text, from, at).append(replacement);
            from = at + old.length();
        }
        return replaced.append(text.substring(from)).toString();
    }

    private static List<Object> split(String text, boolean fromTheRight, Arguments arguments, Budget budget) {
        Object[] bound = arguments.bind(fromTheRight ? "rsplit" : "split", "sep", "maxsplit");
        long most = bound[1] instanceof Undefined ? -1 : Values.integer(bound[1]);
        List<Object> parts = new ArrayList<>();
        if (bound[0] instanceof Undefined || bound[0].equals(Values.NONE)) {
            return words(text, most, fromTheRight);
        }
        String separator = Values.string(bound[0]);
        if (separator.isEmpty()) {
            throw new JinjaException("split needs a separator that is not empty");
        }
        budget.search(text, separator);
        int from = 0;
        int to = text.length();
        while (most < 0 || parts.size() < most) {
            int at =
                    fromTheRight ? text.lastIndexOf(separator, to - separator.length()) : text.indexOf(separator, from);
            if (at < 0) {
                break;
            }
            if (fromTheRight) {
                parts.add(text.substring(at + separator.length(), to));
                to = at;
            } else {
                parts.add(text.substring(from, at));
                from = at + separator.length();
            }
        }
        parts.add(text.substring(from, to));
        if (fromTheRight) {
            Collections.reverse(parts);
        }
        return parts;
    }

    private static List<Object> words(String text, long most, boolean fromTheRight) {
        if (fromTheRight && most >= 0) {
            throw new JinjaException("rsplit with maxsplit needs a separator");
        }
        List<Object> words = new ArrayList<>();
        int from = skip(text, 0, true);
        while (from < text.length() && (most < 0 || words.size() < most)) {
            int to = skip(text, from, false);
            words.add(text.substring(from, to));
            from = skip(text, to, true);
        }
        if (from < text.length()) {
            words.add(text.substring(from));
        }
        return words;
    }

    /** The end of the white space, or of the word, that begins at {@code from}. */
    private static int skip(String text, int from, boolean space) {
        int at = from;
        while (at < text.length() && Text.isSpace(text.charAt(at)) == space) {
            at++;
        }
        return at;
    }
}
