package ai.molae.djl.hf;

import java.util.List;
import java.util.Objects;

/**
 * Which tensors of a checkpoint make up a parameter: they tile its contiguous row-major array, piece after piece.
 *
 * @param parameter path of the parameter, such as {@code layers.3.mlp.gate_up}
 * @param pieces the tensors, in the order of the elements they fill
 */
public record TensorBinding(String parameter, List<Piece> pieces) {

    /**
     * Copies the pieces.
     *
     * @param parameter path of the parameter
     * @param pieces the tensors
     */
    public TensorBinding {
        Objects.requireNonNull(parameter, "parameter");
        pieces = List.copyOf(pieces);
    }

    /**
     * The number of elements of the parameter.
     *
     * @return the sum over the pieces
     */
    public long size() {
        return pieces.stream().mapToLong(Piece::size).sum();
    }

    /**
     * A tensor that fills the elements {@code [firstElement, firstElement + size)} of the parameter.
     *
     * @param tensor its name in the checkpoint
     * @param shape its shape in the checkpoint
     * @param firstElement where it starts in the parameter
     */
    public record Piece(String tensor, List<Long> shape, long firstElement) {

        /**
         * Copies the shape.
         *
         * @param tensor its name in the checkpoint
         * @param shape its shape in the checkpoint
         * @param firstElement where it starts in the parameter
         */
        public Piece {
            Objects.requireNonNull(tensor, "tensor");
            shape = List.copyOf(shape);
        }

        /**
         * The number of elements.
         *
         * @return the product of the shape
         */
        public long size() {
            return shape.stream().reduce(1L, Math::multiplyExact);
        }
    }
}
