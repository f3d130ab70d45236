package ai.molae.djl.data.jinja;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The values of a template: {@link #NONE}, {@link Undefined}, Boolean, Long, Double, String, List, Map, {@link Namespace} and
 * {@link Callable}. Nothing else gets in.
 */
final class Values {

    /** Python's None. */
    static final Optional<Object> NONE = Optional.empty();

    /** What a name or member stands for that does not exist; {@code what} tells which, for the message if something is done with it. */
    record Undefined(String what) {}

    /** What {@code namespace()} makes: the only thing a template can change. */
    record Namespace(Map<String, Object> variables) {}

    private Values() {}

    /** A copy of a value from outside. */
    static Object of(Object value) {
        if (value instanceof Boolean || value instanceof Long || value instanceof Double || value instanceof String) {
            return value;
        }
        if (value instanceof Integer number) {
            return number.longValue();
        }
        if (value instanceof Float number) {
            return number.doubleValue();
        }
        if (value instanceof Optional<?> optional) {
            return optional.isPresent() ? of(optional.get()) : NONE;
        }
        if (value instanceof Collection<?> collection) {
            List<Object> list = new ArrayList<>();
            collection.forEach(element -> list.add(of(element)));
            return list;
        }
        if (value instanceof Map<?, ?> map) {
            Map<Object, Object> copy = new LinkedHashMap<>();
            map.forEach((key, element) -> copy.put(of(key), of(element)));
            return copy;
        }
        if (value instanceof JinjaFunction function) {
            return (Callable) (arguments, scope) -> {
                if (!arguments.named().isEmpty()) {
                    throw new JinjaException("this function takes no arguments by name, got "
                            + arguments.named().keySet());
                }
                return of(function.call(arguments.positional()));
            };
        }
        throw new IllegalArgumentException("a template cannot use a value of " + value.getClass()
                + "; give it text, numbers, truth values, lists, maps and JinjaFunctions");
    }

    static boolean isTrue(Object value) {
        if (value instanceof Boolean bool) {
            return bool;
        }
        if (value instanceof Long number) {
            return number != 0;
        }
        if (value instanceof Double number) {
            return number != 0;
        }
        if (value instanceof String || value instanceof List || value instanceof Map) {
            return size(value) > 0;
        }
        return !(value instanceof Undefined) && !value.equals(NONE);
    }

    /** How many characters or elements a value has; 1 for one that has none. */
    static long size(Object value) {
        if (value instanceof String text) {
            return text.length();
        }
        if (value instanceof List<?> list) {
            return list.size();
        }
        return value instanceof Map<?, ?> map ? map.size() : 1;
    }

    static boolean isNumber(Object value) {
        return value instanceof Long || value instanceof Double || value instanceof Boolean;
    }

    static double number(Object value) {
        if (value instanceof Boolean bool) {
            return bool ? 1 : 0;
        }
        if (value instanceof Long || value instanceof Double) {
            return ((Number) value).doubleValue();
        }
        throw fault("a number is needed", value);
    }

    static long integer(Object value) {
        if (value instanceof Boolean bool) {
            return bool ? 1 : 0;
        }
        if (value instanceof Long number) {
            return number;
        }
        throw fault("an integer is needed", value);
    }

    /** The text that an output tag writes. */
    static String text(Object value, Budget budget) {
        String text = value instanceof String string ? string : Printer.print(value, budget);
        budget.spend(text.length());
        return text;
    }

    static String string(Object value) {
        if (value instanceof String text) {
            return text;
        }
        throw fault("a text is needed", value);
    }

    /** What a loop goes through: elements, keys or characters. */
    static List<Object> elements(Object value, Budget budget) {
        budget.spend(size(value));
        if (value instanceof List<?> list) {
            return List.copyOf(list);
        }
        if (value instanceof Map<?, ?> map) {
            return List.copyOf(map.keySet());
        }
        if (value instanceof String text) {
            return text.codePoints().<Object>mapToObj(Character::toString).toList();
        }
        if (value instanceof Undefined) {
            return List.of();
        }
        throw fault("a list is needed", value);
    }

    /** The fault of a value. */
    static JinjaException fault(String needed, Object value) {
        if (value instanceof Undefined undefined) {
            return new JinjaException(undefined.what() + " is undefined");
        }
        return new JinjaException(needed + ", got " + type(value));
    }

    static String type(Object value) {
        if (value instanceof Boolean) {
            return "a truth value";
        }
        if (value instanceof Long || value instanceof Double) {
            return "the number " + value;
        }
        if (value instanceof String) {
            return "a text";
        }
        if (value instanceof List) {
            return "a list";
        }
        if (value instanceof Map) {
            return "a map";
        }
        if (value instanceof Callable) {
            return "a function";
        }
        return value.equals(NONE) ? "None" : value instanceof Namespace ? "a namespace" : "something undefined";
    }
}
