package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Name and shape of a parameter.
 *
 * @param name its name within the layer
 * @param shape its dimensions
 */
public record ParameterShape(String name, List<Integer> shape) {

    /**
     * Copies the shape.
     *
     * @param name its name within the layer
     * @param shape its dimensions
     * @throws IllegalArgumentException if a dimension is not positive
     */
    public ParameterShape {
        shape = List.copyOf(shape);
        for (int dimension : shape) {
            Checks.positive("dimension of " + name, dimension);
        }
    }

    /**
     * A named shape.
     *
     * @param name its name within the layer
     * @param shape its dimensions
     * @return the pair
     */
    public static ParameterShape of(String name, int... shape) {
        return new ParameterShape(name, Arrays.stream(shape).boxed().collect(Collectors.toList()));
    }

    /**
     * The number of elements.
     *
     * @return the product of the dimensions
     * @throws ArithmeticException if it exceeds a long; the message has the shape
     */
    public long size() {
        try {
            return shape.stream().mapToLong(Integer::longValue).reduce(1, Math::multiplyExact);
        } catch (ArithmeticException e) {
            throw (ArithmeticException)
                    new ArithmeticException(name + " " + shape + " has more than 2^63 elements").initCause(e);
        }
    }
}
