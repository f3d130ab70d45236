package ai.molae.djl.data.jinja;

import java.util.List;

/** The definition of a macro: a function whose result is the text its body writes. */
record Macro(String name, List<String> parameters, List<Expression> defaults, Statement body) implements Statement {

    @Override
    public Flow run(Scope scope, StringBuilder out) {
        scope.set(name, (Callable) (arguments, caller) -> call(arguments, scope.inner()));
        return Flow.NEXT;
    }

    private String call(Arguments arguments, Scope inner) {
        Object[] bound = arguments.bind(name, parameters.toArray(String[]::new));
        for (int i = 0; i < bound.length; i++) {
            boolean given = !(bound[i] instanceof Values.Undefined);
            inner.set(parameters.get(i), given ? bound[i] : defaults.get(i).eval(inner));
        }
        StringBuilder text = new StringBuilder();
        body.run(inner, text);
        return text.toString();
    }
}
