package ai.molae.djl.safetensors;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * What a tensor is, wherever it stands: declared to a {@link SafetensorsWriter}, or found in a file.
 *
 * @param name not {@code __metadata__}, which the format keeps for itself
 * @param type the element type
 * @param shape sizes from the slowest dimension to the fastest; empty for a scalar; a size may be 0
 */
public record TensorSpec(String name, TensorType type, List<Long> shape) {

    /** The key of a header that is not a tensor. */
    static final String METADATA = "__metadata__";

    private static final int SHOWN_CHARACTERS = 200;

    /**
     * Checks name and shape.
     *
     * @param name not {@code __metadata__}
     * @param type the element type
     * @param shape copied
     * @throws IllegalArgumentException if the name is reserved or no text, a size is negative, or the bytes do not fit in a long
     */
    public TensorSpec {
        shape = List.copyOf(shape);
        if (name.equals(METADATA)) {
            throw new IllegalArgumentException(METADATA + " is no name for a tensor: the format keeps it for itself");
        }
        checkText("the name of a tensor", name);
        countBytes(name, type, shape);
    }

    /**
     * A spec with the sizes written out.
     *
     * @param name the name
     * @param type the element type
     * @param shape sizes from the slowest dimension to the fastest
     * @return the spec
     * @throws IllegalArgumentException as the constructor
     */
    public static TensorSpec of(String name, TensorType type, long... shape) {
        return new TensorSpec(name, type, Arrays.stream(shape).boxed().toList());
    }

    /**
     * The number of elements.
     *
     * @return the product of the shape, 1 for a scalar
     */
    public long elements() {
        return bytes() / type.bytes();
    }

    /**
     * The size of the data.
     *
     * @return bytes
     */
    public long bytes() {
        return countBytes(name, type, shape);
    }

    private static long countBytes(String name, TensorType type, List<Long> shape) {
        try {
            long elements = 1;
            for (long size : shape) {
                if (size < 0) {
                    throw new IllegalArgumentException(
                            "tensor " + shown(name) + " has a negative size in its shape " + shown(shape));
                }
                elements = Math.multiplyExact(elements, size);
            }
            return Math.multiplyExact(elements, type.bytes());
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException(
                    "tensor " + shown(name) + " of shape " + shown(shape) + " and type " + type
                            + " has more than 2^63 bytes",
                    e);
        }
    }

    /** Refuses half a surrogate pair, which has no UTF-8. */
    static void checkText(String what, String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new IllegalArgumentException(what + " is not well-formed Unicode: " + shown(text));
        }
    }

    /** A shape for a message, however many dimensions it has. */
    static String shown(List<Long> shape) {
        return shown(shape.toString());
    }

    /** A name for a message: a hostile one may have millions of characters. */
    static String shown(String text) {
        return text.length() <= SHOWN_CHARACTERS
                ? text
                : text.substring(0, SHOWN_CHARACTERS) + "... (" + text.length() + " characters)";
    }
}
