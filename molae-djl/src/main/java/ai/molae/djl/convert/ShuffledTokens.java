package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Batches of a fixed number of tokens out of chunks in random order; after the last chunk all of them come anew, in another order. One chunk is in memory. */
final class ShuffledTokens implements AutoCloseable {

    private final LayerInputs inputs;
    private final List<Integer> chunks;
    private final Random random;
    private int next;

    @Nullable
    private NDArray chunk;

    private long first;

    ShuffledTokens(LayerInputs inputs, List<Integer> chunks, long seed) {
        this.inputs = inputs;
        this.chunks = new ArrayList<>(chunks);
        random = new Random(seed);
        next = this.chunks.size();
    }

    /** {@code [tokens, n]}. */
    NDArray next(NDManager scope, long tokens) {
        NDList parts = new NDList();
        long missing = tokens;
        int empty = 0;
        while (missing > 0) {
            NDArray current = chunk;
            if (current == null) {
                current = read(scope);
                chunk = current;
                first = 0;
            }
            long rows = current.getShape().get(0);
            long count = Math.min(missing, rows - first);
            if (count > 0) {
                NDArray part = current.get(new NDIndex("{}:{}", first, first + count));
                part.attach(scope);
                parts.add(part);
            } else if (++empty > chunks.size()) {
                throw new IllegalArgumentException("none of the " + chunks.size() + " chunks has a token");
            }
            first += count;
            missing -= count;
            if (first == rows) {
                close();
            }
        }
        return parts.size() == 1 ? parts.head() : NDArrays.concat(parts);
    }

    private NDArray read(NDManager scope) {
        if (next == chunks.size()) {
            Collections.shuffle(chunks, random);
            next = 0;
        }
        // It outlives the batch it is read for.
        return inputs.checked(scope.getParentManager(), chunks.get(next++));
    }

    @Override
    public void close() {
        NDArray current = chunk;
        if (current != null) {
            current.close();
            chunk = null;
        }
    }
}
