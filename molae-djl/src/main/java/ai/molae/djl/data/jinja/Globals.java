package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The functions that every template has. */
final class Globals {

    private Globals() {}

    static void define(Scope scope) {
        scope.set("range", (Callable) Globals::range);
        scope.set("namespace", (Callable) (arguments, caller) -> new Values.Namespace(named("namespace", arguments)));
        scope.set(
                "dict", (Callable) (arguments, caller) -> new LinkedHashMap<Object, Object>(named("dict", arguments)));
    }

    /** The arguments by name, after those of a map. */
    private static Map<String, Object> named(String function, Arguments arguments) {
        Map<String, Object> variables = new HashMap<>();
        for (Object given : arguments.positional()) {
            if (!(given instanceof Map<?, ?> map)) {
                throw Values.fault(function + " needs a map or arguments by name", given);
            }
            map.forEach((key, value) -> variables.put(Values.string(key), value));
        }
        variables.putAll(arguments.named());
        return variables;
    }

    private static Object range(Arguments arguments, Scope scope) {
        Object[] bound = arguments.bind("range", "start", "stop", "step");
        boolean one = bound[1] instanceof Undefined;
        long start = one ? 0 : Values.integer(bound[0]);
        long stop = Values.integer(bound[one ? 0 : 1]);
        long step = bound[2] instanceof Undefined ? 1 : Values.integer(bound[2]);
        if (step == 0) {
            throw new JinjaException("range cannot have step 0");
        }
        List<Object> numbers = new ArrayList<>();
        for (long i = start; step > 0 ? i < stop : i > stop; i += step) {
            scope.spend(1);
            numbers.add(i);
        }
        return numbers;
    }
}
