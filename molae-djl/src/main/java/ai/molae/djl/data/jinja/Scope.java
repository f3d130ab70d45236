package ai.molae.djl.data.jinja;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The variables a statement sees: its own, then those around it. What a loop's body sets is gone after its turn, as in Jinja. */
final class Scope {

    private final Map<String, Object> variables = new HashMap<>();
    private final @Nullable Scope around;
    private final Budget budget;

    Scope(Budget budget) {
        this.around = null;
        this.budget = budget;
    }

    private Scope(Scope around) {
        this.around = around;
        budget = around.budget;
    }

    Scope inner() {
        return new Scope(this);
    }

    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.around) {
            Object value = scope.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return new Values.Undefined("'" + name + "'");
    }

    void set(String name, Object value) {
        variables.put(name, value);
    }

    Budget budget() {
        return budget;
    }

    void spend(long units) {
        budget.spend(units);
    }
}
