package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Values.Undefined;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** What stands after {@code is}. */
final class Predicates {

    private static final Set<String> NAMES = Set.of(
            "defined",
            "undefined",
            "none",
            "string",
            "number",
            "integer",
            "float",
            "boolean",
            "true",
            "false",
            "mapping",
            "sequence",
            "iterable",
            "callable",
            "odd",
            "even",
            "upper",
            "lower",
            "divisibleby",
            "equalto",
            "eq",
            "==",
            "ne",
            "!=",
            "lt",
            "<",
            "le",
            "<=",
            "gt",
            ">",
            "ge",
            ">=",
            "in",
            "sameas");

    private Predicates() {}

    static boolean exists(String name) {
        return NAMES.contains(name);
    }

    static boolean test(String name, Object value, List<Object> arguments, Budget budget) {
        return switch (name) {
            case "defined" -> !(value instanceof Undefined);
            case "undefined" -> value instanceof Undefined;
            case "none" -> value.equals(Values.NONE);
            case "string" -> value instanceof String;
            case "number" -> Values.isNumber(value);
            case "integer" -> value instanceof Long;
            case "float" -> value instanceof Double;
            case "boolean" -> value instanceof Boolean;
            case "true" -> value.equals(true);
            case "false" -> value.equals(false);
            case "mapping" -> value instanceof Map;
            case "sequence", "iterable" -> value instanceof String
                    || value instanceof List
                    || value instanceof Map
                    || value instanceof Undefined;
            case "callable" -> value instanceof Callable;
            case "odd" -> Math.floorMod(Values.integer(value), 2L) == 1;
            case "even" -> Math.floorMod(Values.integer(value), 2L) == 0;
            case "upper" -> value instanceof String text && text.equals(text.toUpperCase(Locale.ROOT));
            case "lower" -> value instanceof String text && text.equals(text.toLowerCase(Locale.ROOT));
            default -> binary(name, value, arguments, budget);
        };
    }

    private static boolean binary(String name, Object value, List<Object> arguments, Budget budget) {
        if (arguments.size() != 1) {
            throw new JinjaException("'is " + name + "' needs one argument, got " + arguments.size());
        }
        Object other = arguments.get(0);
        String operator =
                switch (name) {
                    case "divisibleby" -> "%";
                    case "equalto", "eq", "sameas" -> "==";
                    case "ne" -> "!=";
                    case "lt" -> "<";
                    case "le" -> "<=";
                    case "gt" -> ">";
                    case "ge" -> ">=";
                    default -> name;
                };
        Object result = Operators.apply(operator, value, other, budget);
        if (name.equals("sameas")) {
            return result.equals(true) && value.getClass() == other.getClass();
        }
        return name.equals("divisibleby") ? result.equals(0L) : result.equals(true);
    }
}
