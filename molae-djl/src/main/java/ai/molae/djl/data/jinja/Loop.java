package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Values.Namespace;
import ai.molae.djl.data.jinja.Values.Undefined;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A {@code for} loop. */
record Loop(List<String> targets, Expression elements, Expression condition, Statement body, Statement otherwise)
        implements Statement {

    @Override
    public Flow run(Scope scope, StringBuilder out) {
        List<Object> turns = new ArrayList<>();
        for (Object element : Values.elements(elements.eval(scope), scope.budget())) {
            Scope inner = scope.inner();
            assign(targets, element, inner);
            if (Values.isTrue(condition.eval(inner))) {
                turns.add(element);
            }
        }
        if (turns.isEmpty()) {
            return otherwise.run(scope, out);
        }
        for (int i = 0; i < turns.size(); i++) {
            Scope inner = scope.inner();
            inner.set("loop", state(turns, i));
            assign(targets, turns.get(i), inner);
            scope.spend(10);
            if (body.run(inner, out) == Flow.BREAK) {
                break;
            }
        }
        return Flow.NEXT;
    }

    private static Namespace state(List<Object> turns, int i) {
        long size = turns.size();
        Map<String, Object> state = new HashMap<>();
        state.put("index", i + 1L);
        state.put("index0", (long) i);
        state.put("revindex", size - i);
        state.put("revindex0", size - i - 1);
        state.put("first", i == 0);
        state.put("last", i == size - 1);
        state.put("length", size);
        state.put(
                "previtem", i > 0 ? turns.get(i - 1) : new Undefined("there is no previous item, so 'loop.previtem'"));
        state.put(
                "nextitem",
                i < size - 1 ? turns.get(i + 1) : new Undefined("there is no next item, so 'loop.nextitem'"));
        state.put("cycle", (Callable) (arguments, scope) -> {
            if (arguments.positional().isEmpty()) {
                throw new JinjaException("loop.cycle needs values");
            }
            return arguments.positional().get(i % arguments.positional().size());
        });
        return new Namespace(state);
    }

    /** Sets one variable to a value, or several to its elements. */
    static void assign(List<String> targets, Object value, Scope scope) {
        if (targets.size() == 1) {
            scope.set(targets.get(0), value);
            return;
        }
        List<Object> parts = Values.elements(value, scope.budget());
        if (parts.size() != targets.size()) {
            throw new JinjaException("there are " + parts.size() + " values for " + targets);
        }
        for (int i = 0; i < parts.size(); i++) {
            scope.set(targets.get(i), parts.get(i));
        }
    }
}
