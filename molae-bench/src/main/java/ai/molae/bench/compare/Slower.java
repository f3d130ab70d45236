package ai.molae.bench.compare;

import java.util.List;

/**
 * Trials that took longer beyond noise while the ceilings measured in their processes fell as well: the machine was slower, or molae's own kernels and threads are,
 * which the ceilings are measured with. Two runs cannot tell which.
 *
 * @param trials their names; those of a group that as a whole took longer included
 * @param products geometric mean of after over before of {@link Quantity#PRODUCTS}, NaN if unknown
 * @param reading the same of {@link Quantity#READING}
 */
public record Slower(List<String> trials, double products, double reading) {

    /**
     * Copies the names.
     *
     * @param trials how many
     * @param products the change of products
     * @param reading the change of reading
     */
    public Slower {
        trials = List.copyOf(trials);
    }
}
