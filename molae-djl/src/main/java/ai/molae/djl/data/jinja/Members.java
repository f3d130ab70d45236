package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Values.Namespace;
import ai.molae.djl.data.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Members, elements and slices of values. Only what is listed here can be reached; nothing is looked up in Java classes. */
final class Members {

    private static final Set<String> MAP_METHODS = Set.of("items", "keys", "values", "get");

    private Members() {}

    /** {@code value.name}: a method, or else an element. */
    static Object attribute(Object value, String name) {
        if (value instanceof Undefined undefined) {
            throw new JinjaException(undefined.what() + " is undefined, so it has no '" + name + "'");
        }
        if (value instanceof Map<?, ?> map && MAP_METHODS.contains(name)) {
            return (Callable) (arguments, scope) -> mapMethod(map, name, arguments, scope);
        }
        if (value instanceof String text && TextMethods.NAMES.contains(name)) {
            return (Callable) (arguments, scope) -> TextMethods.call(text, name, arguments, scope.budget());
        }
        if (value instanceof List<?> list && (name.equals("index") || name.equals("count"))) {
            return (Callable) (arguments, scope) -> listMethod(list, name, arguments, scope);
        }
        return element(value, name);
    }

    /** {@code value[key]}: an element, or else a method. */
    static Object subscript(Object value, Object key) {
        if (value instanceof Undefined undefined) {
            throw new JinjaException(undefined.what() + " is undefined, so it has no element");
        }
        Object element = element(value, key);
        return element instanceof Undefined
                        && key instanceof String name
                        && !(value instanceof Map<?, ?> map && map.containsKey(key))
                ? attribute(value, name)
                : element;
    }

    private static Object element(Object value, Object key) {
        Object found = null;
        if (value instanceof Map<?, ?> map) {
            found = map.get(key);
        } else if (value instanceof Namespace namespace) {
            found = namespace.variables().get(key);
        } else if (value instanceof List<?> list && key instanceof Long index) {
            long at = index < 0 ? index + list.size() : index;
            found = at >= 0 && at < list.size() ? list.get((int) at) : null;
        } else if (value instanceof String text && key instanceof Long index) {
            int length = text.codePointCount(0, text.length());
            long at = index < 0 ? index + length : index;
            found = at >= 0 && at < length
                    ? Character.toString(text.codePointAt(text.offsetByCodePoints(0, (int) at)))
                    : null;
        }
        return found != null ? found : new Undefined(Values.type(value) + " has no '" + shortened(key) + "', which");
    }

    private static String shortened(Object key) {
        String text = key instanceof String || key instanceof Long ? key.toString() : Values.type(key);
        return text.length() <= 40 ? text : text.substring(0, 40) + "…";
    }

    /** {@code value[start:stop:step]}, each end undefined or None where it is left out. */
    static Object slice(Object value, Object start, Object stop, Object step, Budget budget) {
        if (!(value instanceof String) && !(value instanceof List)) {
            throw Values.fault("only a text or a list has slices", value);
        }
        List<Object> elements = Values.elements(value, budget);
        long by = isAbsent(step) ? 1 : Values.integer(step);
        if (by == 0) {
            throw new JinjaException("a slice cannot have step 0");
        }
        long size = elements.size();
        long first = by > 0 ? 0 : -1;
        long last = by > 0 ? size : size - 1;
        long from = isAbsent(start) ? (by > 0 ? first : last) : bound(Values.integer(start), size, first, last);
        long to = isAbsent(stop) ? (by > 0 ? last : first) : bound(Values.integer(stop), size, first, last);
        List<Object> sliced = new ArrayList<>();
        by = Math.max(-size - 1, Math.min(by, size + 1));
        for (long i = from; by > 0 ? i < to : i > to; i += by) {
            sliced.add(elements.get((int) i));
        }
        if (value instanceof List) {
            return sliced;
        }
        StringBuilder text = new StringBuilder();
        sliced.forEach(text::append);
        return text.toString();
    }

    private static boolean isAbsent(Object value) {
        return value instanceof Undefined || value.equals(Values.NONE);
    }

    private static long bound(long index, long size, long first, long last) {
        return Math.max(first, Math.min(index < 0 ? index + size : index, last));
    }

    private static Object mapMethod(Map<?, ?> map, String name, Arguments arguments, Scope scope) {
        scope.spend(map.size());
        if (name.equals("get")) {
            Object[] bound = arguments.bind("get", "key", "default");
            Object found = map.get(bound[0]);
            return found != null ? found : bound[1] instanceof Undefined ? Values.NONE : bound[1];
        }
        arguments.bind(name);
        return switch (name) {
            case "keys" -> List.copyOf(map.keySet());
            case "values" -> List.copyOf(map.values());
            default -> items(map);
        };
    }

    static List<Object> items(Map<?, ?> map) {
        List<Object> items = new ArrayList<>();
        map.forEach((key, element) -> items.add(List.<Object>of(key, element)));
        return items;
    }

    private static Object listMethod(List<?> list, String name, Arguments arguments, Scope scope) {
        Object wanted = arguments.bind(name, "value")[0];
        long count = 0;
        for (int i = 0; i < list.size(); i++) {
            if (Operators.equal(list.get(i), wanted, scope.budget())) {
                if (name.equals("index")) {
                    return (long) i;
                }
                count++;
            }
        }
        if (name.equals("index")) {
            throw new JinjaException("the list has no such element");
        }
        return count;
    }
}
