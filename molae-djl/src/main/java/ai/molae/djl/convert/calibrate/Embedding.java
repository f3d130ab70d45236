package ai.molae.djl.convert.calibrate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.ModelSpec;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** The rows of a checkpoint's embedding that some tokens need; the table is read once, a chunk at a time. */
final class Embedding implements AutoCloseable {

    private static final String NAME = "embed_tokens";

    private final int[] tokens;
    private final NDArray rows;

    private Embedding(int[] tokens, NDArray rows) {
        this.tokens = tokens;
        this.rows = rows;
    }

    /**
     * Reads rows.
     *
     * @param checkpoint where from
     * @param windows tokens of its vocabulary
     * @param manager will own them
     * @return the rows
     */
    static Embedding of(Checkpoint checkpoint, List<int[]> windows, NDManager manager) {
        ModelSpec spec = checkpoint.spec();
        Parameter table = Parameter.builder()
                .setName(NAME)
                .setType(Parameter.Type.WEIGHT)
                .optShape(new Shape(spec.vocabSize(), spec.hiddenSize()))
                .build();
        int[] tokens = windows.stream()
                .flatMapToInt(Arrays::stream)
                .distinct()
                .sorted()
                .toArray();
        NDArray rows = manager.create(new Shape(tokens.length, spec.hiddenSize()), DataType.FLOAT32);
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = manager.newSubManager()) {
            long most = WeightSource.rowsPerChunk(table);
            checkpoint.weights(Map.of(NAME, table)).forEachChunk(scope, table, most, (chunk, first) -> {
                int from = indexOf(tokens, first);
                int to = indexOf(tokens, first + chunk.getShape().get(0));
                if (from < to) {
                    long[] wanted = Arrays.stream(tokens, from, to)
                            .mapToLong(token -> token - first)
                            .toArray();
                    try (NDArray some = select(scope, chunk, wanted)) {
                        WeightSource.assign(some, rows, (long) from * spec.hiddenSize());
                    }
                }
            });
        } catch (RuntimeException e) {
            rows.close();
            throw e;
        }
        return new Embedding(tokens, rows);
    }

    /** Where a token is or would be. */
    private static int indexOf(int[] tokens, long token) {
        if (token > Integer.MAX_VALUE) {
            return tokens.length;
        }
        int index = Arrays.binarySearch(tokens, (int) token);
        return index < 0 ? -index - 1 : index;
    }

    private static NDArray select(NDManager manager, NDArray from, long[] wanted) {
        try (NDArray indices = manager.create(wanted)) {
            NDArray selected = from.get(indices);
            selected.attach(manager);
            return selected;
        }
    }

    /** The embedded windows {@code [B, S, n]}, owned by the manager. */
    NDArray of(NDManager manager, List<int[]> windows) {
        long[] indices = windows.stream()
                .flatMapToInt(Arrays::stream)
                .mapToLong(token -> indexOf(tokens, token))
                .toArray();
        try (NoGrad noGrad = new NoGrad();
                NDArray flat = select(manager, rows, indices)) {
            NDArray h = flat.reshape(
                    windows.size(), windows.get(0).length, rows.getShape().get(1));
            h.attach(manager);
            return h;
        }
    }

    @Override
    public void close() {
        rows.close();
    }
}
