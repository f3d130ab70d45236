package ai.molae.bench.compare;

import java.util.Map;

/**
 * What a comparison needs of a trial.
 *
 * @param name the benchmark and its parameters: trials of two runs with one name are compared
 * @param group what it has in common with others: the benchmark, the variant, the implementation and the precision
 * @param quantities by what they are, for example the time or the bytes retained
 */
public record Measured(String name, String group, Map<Quantity, Estimate> quantities) {

    /**
     * Copies the quantities.
     *
     * @param name the benchmark and its parameters
     * @param group what it has in common with others
     * @param quantities by what they are
     */
    public Measured {
        quantities = Map.copyOf(quantities);
    }
}
