package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** What stands after a bar. */
final class Filters {

    private static final Set<String> NAMES = Set.of(
            "abs",
            "capitalize",
            "count",
            "d",
            "default",
            "dictsort",
            "first",
            "float",
            "indent",
            "int",
            "items",
            "join",
            "last",
            "length",
            "list",
            "lower",
            "map",
            "max",
            "min",
            "reject",
            "rejectattr",
            "replace",
            "reverse",
            "safe",
            "select",
            "selectattr",
            "sort",
            "string",
            "title",
            "tojson",
            "trim",
            "unique",
            "upper");

    private static final Object NO_ATTRIBUTE = new Undefined("no attribute");

    private Filters() {}

    static boolean exists(String name) {
        return NAMES.contains(name);
    }

    static Object apply(String name, Object value, Arguments arguments, Scope scope) {
        Budget budget = scope.budget();
        budget.spend(1 + Values.size(value) + arguments.size());
        return switch (name) {
            case "length", "count" -> length(value);
            case "default", "d" -> orDefault(value, arguments.bind(name, "default_value", "boolean"));
            case "tojson" -> Printer.json(value, arguments, budget);
            case "list" -> Values.elements(value, budget);
            case "items" -> value instanceof Map<?, ?> map ? Members.items(map) : Values.elements(value, budget);
            case "dictsort" -> dictsort(value, budget);
            case "first" -> first(Values.elements(value, budget), "first");
            case "last" -> first(reversed(Values.elements(value, budget)), "last");
            case "reverse" -> value instanceof String text
                    ? new StringBuilder(text).reverse().toString()
                    : reversed(Values.elements(value, budget));
            case "sort" -> sort(value, arguments, budget);
            case "min" -> first(sort(value, Arguments.NONE, budget), "min");
            case "max" -> first(reversed(sort(value, Arguments.NONE, budget)), "max");
            case "unique" -> unique(Values.elements(value, budget), budget);
            case "join" -> join(value, arguments, scope);
            case "map", "select", "reject", "selectattr", "rejectattr" -> Selections.apply(
                    name, value, arguments, scope);
            case "abs" -> Values.number(value) < 0 ? Operators.negate(value) : value;
            case "int" -> integer(value, arguments);
            case "float" -> decimal(value, arguments);
            default -> ofText(name, Values.text(value, budget), arguments, budget);
        };
    }

    private static Object ofText(String name, String text, Arguments arguments, Budget budget) {
        return switch (name) {
            case "string", "safe" -> text;
            case "trim" -> TextMethods.strip(text, arguments.bind(name, "chars")[0], true, true);
            case "upper" -> text.toUpperCase(Locale.ROOT);
            case "lower" -> text.toLowerCase(Locale.ROOT);
            case "capitalize" -> Text.capitalize(text, false);
            case "title" -> Text.capitalize(text, true);
            case "replace" -> TextMethods.replace(text, arguments, budget);
            case "indent" -> indent(text, arguments.bind(name, "width", "first", "blank"), budget);
            default -> throw new IllegalStateException(name);
        };
    }

    private static Object length(Object value) {
        if (value instanceof String text) {
            return (long) text.codePointCount(0, text.length());
        }
        if (value instanceof Undefined) {
            return 0L;
        }
        if (value instanceof List || value instanceof Map) {
            return Values.size(value);
        }
        throw Values.fault("only a text, a list or a map has a length", value);
    }

    private static Object orDefault(Object value, Object[] bound) {
        boolean missing = value instanceof Undefined || (Values.isTrue(bound[1]) && !Values.isTrue(value));
        return !missing ? value : bound[0] instanceof Undefined ? "" : bound[0];
    }

    private static Object first(List<Object> elements, String name) {
        return elements.isEmpty() ? new Undefined("the " + name + " element of an empty list") : elements.get(0);
    }

    private static List<Object> reversed(List<Object> elements) {
        List<Object> reversed = new ArrayList<>(elements);
        Collections.reverse(reversed);
        return reversed;
    }

    private static List<Object> sort(Object value, Arguments arguments, Budget budget) {
        Object[] bound = arguments.bind("sort", "reverse", "case_sensitive", "attribute");
        List<Object> elements = new ArrayList<>(Values.elements(value, budget));
        boolean caseSensitive = Values.isTrue(bound[1]);
        elements.sort(
                (a, b) -> Operators.compare(key(a, bound[2], caseSensitive), key(b, bound[2], caseSensitive), budget));
        return Values.isTrue(bound[0]) ? reversed(elements) : elements;
    }

    private static List<Object> dictsort(Object value, Budget budget) {
        if (!(value instanceof Map<?, ?> map)) {
            throw Values.fault("dictsort needs a map", value);
        }
        return sort(Members.items(map), new Arguments(List.of(), Map.of("attribute", 0L)), budget);
    }

    private static Object key(Object element, Object attribute, boolean caseSensitive) {
        Object key = attribute instanceof Undefined ? element : Members.subscript(element, attribute);
        return key instanceof String text && !caseSensitive ? text.toLowerCase(Locale.ROOT) : key;
    }

    private static List<Object> unique(List<Object> elements, Budget budget) {
        List<Object> unique = new ArrayList<>();
        List<Object> keys = new ArrayList<>();
        for (Object element : elements) {
            Object key = key(element, NO_ATTRIBUTE, false);
            if (!Operators.contains(keys, key, budget)) {
                keys.add(key);
                unique.add(element);
            }
        }
        return unique;
    }

    private static String join(Object value, Arguments arguments, Scope scope) {
        Object[] bound = arguments.bind("join", "d", "attribute");
        List<Object> parts = Values.elements(value, scope.budget());
        if (!(bound[1] instanceof Undefined)) {
            parts = parts.stream()
                    .map(part -> Members.subscript(part, bound[1]))
                    .toList();
        }
        String separator = bound[0] instanceof Undefined ? "" : Values.text(bound[0], scope.budget());
        return TextMethods.join(separator, parts, scope.budget());
    }

    private static Object integer(Object value, Arguments arguments) {
        Object fallback = arguments.bind("int", "default")[0];
        try {
            return Values.isNumber(value)
                    ? (long) Values.number(value)
                    : ofDigits(Values.string(value).strip());
        } catch (NumberFormatException | JinjaException e) {
            return fallback instanceof Undefined ? 0L : fallback;
        }
    }

    /** Python truncates a text with a fraction. */
    private static long ofDigits(String digits) {
        return digits.matches("[+-]?\\d+") ? Long.parseLong(digits) : (long) Double.parseDouble(digits);
    }

    private static Object decimal(Object value, Arguments arguments) {
        Object fallback = arguments.bind("float", "default")[0];
        try {
            return Values.isNumber(value) ? Values.number(value) : Double.parseDouble(Values.string(value));
        } catch (NumberFormatException | JinjaException e) {
            return fallback instanceof Undefined ? 0.0 : fallback;
        }
    }

    private static String indent(String text, Object[] bound, Budget budget) {
        long width = bound[0] instanceof Undefined
                ? 4
                : bound[0] instanceof String s ? s.length() : Values.integer(bound[0]);
        List<String> lines = List.of(text.split("\n", -1));
        budget.spend(Math.max(0, width) * lines.size());
        String margin = bound[0] instanceof String s ? s : " ".repeat((int) Math.max(0, width));
        StringBuilder indented = new StringBuilder();
        for (int i = 0; i < lines.size(); i++) {
            boolean wanted = i == 0
                    ? Values.isTrue(bound[1])
                    : Values.isTrue(bound[2]) || !lines.get(i).isEmpty();
            indented.append(i == 0 ? "" : "\n").append(wanted ? margin : "").append(lines.get(i));
        }
        return indented.toString();
    }
}
