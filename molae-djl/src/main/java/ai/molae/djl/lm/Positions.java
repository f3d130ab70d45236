package ai.molae.djl.lm;

import static ai.molae.djl.torch.TorchArguments.absent;
import static ai.molae.djl.torch.TorchArguments.floats;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.AttentionSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.RopeScaling;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Where the tokens of a batch stand and what they may see; made once for all layers. Every document begins at position 0, as if it stood alone:
 * then its angles are the same to the last bit, and those that depend on a length have its own.
 */
final class Positions implements AutoCloseable {

    /** The window of who sees everything before. */
    static final int EVERYWHERE = Integer.MAX_VALUE;

    /** Layers differ in their window; element types are numbered as in TorchScript. */
    private record Kind(int window, long type) {}

    private final NDArray cos;
    private final NDArray sin;
    private final NDArray documents;
    private final int start;
    private final int tokens;
    private final Map<Kind, NDArray> masks = new HashMap<>();

    private Positions(NDList angles, NDArray documents, int start, int tokens) {
        cos = angles.get(0);
        sin = angles.get(1);
        this.documents = documents;
        this.start = start;
        this.tokens = tokens;
    }

    /**
     * Positions of a batch.
     *
     * @param spec the attention
     * @param manager will own the arrays
     * @param tokens S
     * @param documents {@code [B, start + S]}, 0 for padding, equal numbers for tokens that see each other; or {@link TorchArguments#absent()}
     *     if there is one document without padding. Stays with who made it, and open until this is closed
     * @param start number of positions before the tokens
     * @return the positions
     */
    static Positions of(AttentionSpec spec, NDManager manager, int tokens, NDArray documents, int start) {
        int dim = spec instanceof GroupedQueryAttentionSpec grouped
                ? grouped.headDim()
                : ((LatentAttentionSpec) spec).qkRopeHeadDim();
        boolean byLength = !documents.isEmpty() && spec.rope().scaling() instanceof RopeScaling.Dynamic;
        long[] lengths = byLength ? lengths(documents, tokens) : new long[] {start + tokens};
        long[] distinct = Arrays.stream(lengths).distinct().sorted().toArray();
        double[] frequencies = Arrays.stream(distinct)
                .mapToObj(length -> spec.rope().frequencies(dim, (int) length))
                .flatMapToDouble(Arrays::stream)
                .toArray();
        long[] which = Arrays.stream(lengths)
                .map(length -> Arrays.binarySearch(distinct, length))
                .toArray();
        try (NDManager scope = manager.newSubManager();
                NDArray ints = ints(start, tokens);
                NDArray floats = floats(spec.rope().attentionFactor())) {
            NDArray rows = scope.create(frequencies, new Shape(distinct.length, dim / 2));
            NDArray rowOf = distinct.length == 1
                    ? absent()
                    : scope.create(which, new Shape(documents.getShape().get(0), tokens));
            NDList angles = LmOps.OPS.call("angles", documents, rows, rowOf, ints, floats);
            angles.attach(manager);
            return new Positions(angles, documents, start, tokens);
        }
    }

    /** How long the document of each token is {@code [B S]}; what comes later in it counts too. */
    private static long[] lengths(NDArray documents, int tokens) {
        try (NDArray ints = ints(tokens);
                NDArray lengths =
                        LmOps.OPS.call("document_lengths", documents, ints).singletonOrThrow()) {
            return lengths.toLongArray();
        }
    }

    /** Cosines of the rotary angles, {@code [1 or B, 1, S, d/2]}. */
    NDArray cos() {
        return cos;
    }

    /** Their sines. */
    NDArray sin() {
        return sin;
    }

    /** Number of positions before the tokens, in a cache. */
    int start() {
        return start;
    }

    /**
     * What is added to the scores of attention: 0 where a token sees, −∞ elsewhere. Made once for all layers that have the same, because autograd keeps
     * it, and of the element type of the queries, or libtorch would make another one for every layer.
     *
     * @param window how many positions a token sees
     * @param type the number of the element type
     * @return {@code [1 or B, 1, S, start + S]}, owned by this; {@link TorchArguments#absent()} if a token alone sees its window, or each of them
     *     everything before
     */
    NDArray mask(int window, long type) {
        boolean alone = tokens == 1;
        boolean causal = start == 0 && window >= tokens;
        if (documents.isEmpty() && (alone || causal)) {
            return absent();
        }
        return masks.computeIfAbsent(new Kind(Math.min(window, start + tokens), type), this::newMask);
    }

    private NDArray newMask(Kind kind) {
        try (NDArray ints = ints(tokens, start + tokens, kind.window(), kind.type())) {
            return LmOps.OPS.call("additive_mask", cos, documents, ints).singletonOrThrow();
        }
    }

    /** Closes what it made; the documents belong to who made them. */
    @Override
    public void close() {
        cos.close();
        sin.close();
        masks.values().forEach(NDArray::close);
    }
}
