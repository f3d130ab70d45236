package ai.molae.cost;

import ai.molae.internal.Checks;
import java.util.List;
import java.util.Objects;

/**
 * A tensor {@code [rows, columns]} that stays in memory between forward and backward.
 *
 * @param name its name within the layer
 * @param dimensions its shape in the letters of the package, such as {@code [T·K, 2m]}
 * @param rows the number of rows; fractional where it is the expectation T·E[D]
 * @param columns the number of columns
 * @param elementType the format of its elements
 */
public record ActivationTensor(String name, String dimensions, double rows, long columns, ElementType elementType) {

    /**
     * Validates the fields.
     *
     * @param name its name within the layer
     * @param dimensions its shape in letters
     * @param rows the number of rows
     * @param columns the number of columns
     * @param elementType the format of its elements
     * @throws IllegalArgumentException if a size is not positive
     */
    public ActivationTensor {
        Objects.requireNonNull(elementType, "elementType");
        Checks.finitePositive("rows of " + name, rows);
        Checks.positive("columns of " + name, columns);
    }

    /**
     * The number of elements.
     *
     * @return rows · columns
     */
    public double elements() {
        return rows * columns;
    }

    /**
     * The memory it takes.
     *
     * @return elements · bytes of an element
     */
    public double bytes() {
        return elements() * elementType.bytes();
    }

    ActivationTensor prefixed(String prefix) {
        return new ActivationTensor(prefix + name, dimensions, rows, columns, elementType);
    }

    static double bytes(List<ActivationTensor> tensors) {
        return tensors.stream().mapToDouble(ActivationTensor::bytes).sum();
    }
}
