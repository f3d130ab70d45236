package ai.molae.djl.data.jinja;

import java.util.List;
import java.util.Map;

/** The arguments of a call, by position and by name. */
record Arguments(List<Object> positional, Map<String, Object> named) {

    static final Arguments NONE = new Arguments(List.of(), Map.of());

    /** The arguments in the order of the parameters; {@link Values.Undefined} where one is not given. */
    Object[] bind(String function, String... parameters) {
        if (positional.size() > parameters.length) {
            throw new JinjaException(
                    function + " takes at most " + parameters.length + " arguments, got " + positional.size());
        }
        Object[] bound = new Object[parameters.length];
        int matched = positional.size();
        for (int i = 0; i < bound.length; i++) {
            if (i < positional.size()) {
                bound[i] = positional.get(i);
            } else if (named.containsKey(parameters[i])) {
                bound[i] = named.get(parameters[i]);
                matched++;
            } else {
                bound[i] = new Values.Undefined("argument '" + parameters[i] + "' of " + function);
            }
        }
        if (matched < positional.size() + named.size()) {
            throw new JinjaException(function + " takes the arguments " + List.of(parameters) + ", got "
                    + positional.size() + " by position and " + named.keySet());
        }
        return bound;
    }

    /** The number of elements and characters that the arguments hold, not counting nested ones. */
    long size() {
        long size = 0;
        for (Object value : positional) {
            size += Values.size(value);
        }
        for (Object value : named.values()) {
            size += Values.size(value);
        }
        return size;
    }
}
