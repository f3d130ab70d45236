package ai.molae.djl.lm;

import static ai.molae.djl.torch.TorchArguments.floats;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.RopeScaling;
import java.util.Arrays;

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
        int dim = spec instanceof GroupedQueryAttentionSpec grouped
                ? grouped.headDim()
                : ((LatentAttentionSpec) spec).qkRopeHeadDim();
        int[] lengths = {start + tokens};
        if (!visible.isEmpty() && spec.rope().scaling() instanceof RopeScaling.Dynamic) {
            // Each sequence by itself, as if it stood alone.
            lengths = lengths(visible);
        }
        double[] frequencies = Arrays.stream(lengths)
                .mapToObj(length -> spec.rope().frequencies(dim, length))
                .flatMapToDouble(Arrays::stream)
                .toArray();
        try (NDArray first = manager.create(frequencies, new Shape(lengths.length, dim / 2));
                NDArray ints = ints(start, tokens);
                NDArray floats = floats(spec.rope().attentionFactor())) {
            NDList angles = LmOps.OPS.call("angles", visible, first, ints, floats);
            angles.attach(manager);
            return new Positions(angles.get(0), angles.get(1), visible, start);
        }
    }

    /** How many positions of each sequence are no padding. */
    private static int[] lengths(NDArray visible) {
        try (NDArray there = visible.neq(0);
                NDArray ones = there.toType(DataType.INT32, false);
                NDArray sums = ones.sum(new int[] {1});
                NDArray lengths = sums.toType(DataType.INT32, false)) {
            return lengths.toIntArray();
        }
    }

    /** Closes the angles; what is visible belongs to who made it. */
    @Override
    public void close() {
        cos.close();
        sin.close();
    }
}
