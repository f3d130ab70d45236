package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.AttentionSpec;

/**
 * Where the tokens of a batch stand and what they may see; made once for all layers.
 *
 * @param cos cosines of the rotary angles, {@code [1 or B, 1, S, d/2]}
 * @param sin their sines
 * @param visible {@code [B, L]}, 0 for padding; {@link TorchArguments#absent()} if there is none
 * @param start number of positions before the tokens, in a cache: {@code L = start + S}
 */
record Positions(NDArray cos, NDArray sin, NDArray visible, int start) implements AutoCloseable {

    /**
     * Positions of a batch.
     *
     * @param spec the attention
     * @param manager will own the arrays
     * @param tokens S
     * @param visible {@code [B, start + S]}, 0 for padding; or {@link TorchArguments#absent()}
     * @param start number of positions before the tokens
     * @return the positions
     */
    static Positions of(AttentionSpec spec, NDManager manager, int tokens, NDArray visible, int start) {
        return LmOps.positions(spec, manager, tokens, visible, start);
    }

    /** Closes the angles; what is visible belongs to who made it. */
    @Override
    public void close() {
        cos.close();
        sin.close();
    }
}
