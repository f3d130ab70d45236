package ai.molae.djl.safetensors;

import java.util.List;

/**
 * A tensor in a file.
 *
 * @param name its name
 * @param type its element type
 * @param shape sizes from the slowest dimension to the fastest; empty for a scalar
 * @param position of its first byte, from the beginning of the file
 * @param bytes the size of its data
 */
public record TensorInfo(String name, TensorType type, List<Long> shape, long position, long bytes) {

    /**
     * Checks that the numbers agree.
     *
     * @param name its name
     * @param type its element type
     * @param shape copied
     * @param position of its first byte
     * @param bytes the size of its data
     * @throws IllegalArgumentException as {@link TensorSpec}, or if the bytes are not those of shape and type, or the position is negative
     */
    public TensorInfo {
        TensorSpec spec = new TensorSpec(name, type, shape);
        shape = spec.shape();
        if (position < 0 || bytes != spec.bytes()) {
            throw new IllegalArgumentException("tensor " + TensorSpec.shown(name) + " of shape " + shape + " and type "
                    + type + " has " + spec.bytes() + " bytes, got " + bytes + " at position " + position);
        }
    }

    /**
     * The number of elements.
     *
     * @return the product of the shape, 1 for a scalar
     */
    public long elements() {
        return bytes / type.bytes();
    }

    /**
     * The tensor without its place, to declare the same one to a {@link SafetensorsWriter}.
     *
     * @return name, type and shape
     */
    public TensorSpec spec() {
        return new TensorSpec(name, type, shape);
    }

    /** Refuses a range that does not lie in the tensor; {@code size} and the range are in {@code unit}. */
    void checkRange(long first, long count, long size, String unit) {
        if (first < 0 || first > size || count > size - first) {
            throw new IllegalArgumentException("tensor " + TensorSpec.shown(name) + " of shape " + shape + " has "
                    + size + " " + unit + ", asked for " + count + " from " + first);
        }
    }
}
