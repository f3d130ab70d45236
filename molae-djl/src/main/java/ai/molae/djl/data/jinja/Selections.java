package ai.molae.djl.data.jinja;

import java.util.ArrayList;
import java.util.List;

/** The filters that work on every element: {@code map}, {@code select}, {@code reject}, {@code selectattr}, {@code rejectattr}. */
final class Selections {

    private Selections() {}

    static List<Object> apply(String name, Object value, Arguments arguments, Scope scope) {
        List<Object> result = new ArrayList<>();
        for (Object element : Values.elements(value, scope.budget())) {
            if (name.equals("map")) {
                result.add(mapped(element, arguments, scope));
            } else if (isSelected(name, element, arguments, scope) != name.startsWith("reject")) {
                result.add(element);
            }
        }
        return result;
    }

    private static Object mapped(Object element, Arguments arguments, Scope scope) {
        Object attribute = arguments.named().get("attribute");
        if (attribute != null) {
            Object found = Members.subscript(element, attribute);
            Object fallback = arguments.named().get("default");
            return found instanceof Values.Undefined && fallback != null ? fallback : found;
        }
        List<Object> positional = arguments.positional();
        String filter = positional.isEmpty() ? "" : Values.string(positional.get(0));
        if (!Filters.exists(filter)) {
            throw new JinjaException("map needs the name of a filter or attribute=, got '" + filter + "'");
        }
        return Filters.apply(
                filter, element, new Arguments(positional.subList(1, positional.size()), arguments.named()), scope);
    }

    private static boolean isSelected(String name, Object element, Arguments arguments, Scope scope) {
        List<Object> rest = arguments.positional();
        Object tested = element;
        if (name.endsWith("attr")) {
            if (rest.isEmpty()) {
                throw new JinjaException(name + " needs the name of an attribute");
            }
            tested = Members.subscript(element, rest.get(0));
            rest = rest.subList(1, rest.size());
        }
        if (rest.isEmpty()) {
            return Values.isTrue(tested);
        }
        String predicate = Values.string(rest.get(0));
        if (!Predicates.exists(predicate)) {
            throw new JinjaException("there is no test '" + predicate + "'");
        }
        scope.spend(1);
        return Predicates.test(predicate, tested, rest.subList(1, rest.size()), scope.budget());
    }
}
