package ai.molae.djl.data.jinja;

import java.util.ArrayList;
import java.util.List;

/** A compiled expression. */
@FunctionalInterface
interface Expression {

    Object eval(Scope scope);

    static Expression constant(Object value) {
        return scope -> value;
    }

    /** A list, or a tuple, which is a list here. */
    static Expression list(List<Expression> elements) {
        return scope -> {
            List<Object> list = new ArrayList<>();
            elements.forEach(element -> list.add(element.eval(scope)));
            return list;
        };
    }
}
