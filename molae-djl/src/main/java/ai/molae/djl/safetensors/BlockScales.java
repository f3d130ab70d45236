package ai.molae.djl.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.List;

/**
 * The scales of an 8-bit weight {@code [out, in]}: one float32 for each block of {@code blockRows × blockColumns}, blocks at the edges being
 * smaller, so {@code [⌈out / blockRows⌉, ⌈in / blockColumns⌉]}. They are read piece by piece, in the order of the weight.
 */
final class BlockScales implements AutoCloseable {

    /** What a weight's name ends with, and what comes after it in the name of its scales. */
    static final String WEIGHT = ".weight";

    static final String SCALE = "_scale_inv";

    private static final int PIECE = 4096;

    private final SafetensorsFile file;
    private final TensorInfo scales;
    private final long columns;
    private final long scaleColumns;
    private final int blockRows;
    private final int blockColumns;
    private final ScratchPool scratch;
    private final ByteBuffer piece;
    private long pieceFirst;
    private int pieceCount;

    /**
     * Scales to be read.
     *
     * @param file where the scales are
     * @param scales checked with {@link #check}
     * @param weight what they belong to
     * @param scratch gives the memory to read into
     */
    BlockScales(
            SafetensorsFile file,
            TensorInfo scales,
            TensorInfo weight,
            int blockRows,
            int blockColumns,
            ScratchPool scratch) {
        this.file = file;
        this.scales = scales;
        this.columns = weight.shape().get(1);
        this.scaleColumns = scales.shape().get(1);
        this.blockRows = blockRows;
        this.blockColumns = blockColumns;
        this.scratch = scratch;
        this.piece = scratch.take();
    }

    /** Refuses scales of the wrong type or shape. */
    static void check(Path file, TensorInfo scales, TensorInfo weight, int blockRows, int blockColumns)
            throws SafetensorsException {
        String what = "tensor " + TensorSpec.shown(scales.name()) + " of " + scales.type() + " " + scales.shape()
                + " cannot scale " + TensorSpec.shown(weight.name()) + " of " + weight.shape();
        if (weight.shape().size() != 2) {
            throw new SafetensorsException(file, what + ", which is no matrix");
        }
        List<Long> expected = List.of(
                ceilDiv(weight.shape().get(0), blockRows),
                ceilDiv(weight.shape().get(1), blockColumns));
        if (scales.type() != TensorType.F32 || !scales.shape().equals(expected)) {
            throw new SafetensorsException(
                    file,
                    what + ": blocks of " + blockRows + " x " + blockColumns + " need F32 " + expected
                            + "; is weight_block_size another?");
        }
    }

    private static long ceilDiv(long a, int b) {
        return a / b + (a % b == 0 ? 0 : 1);
    }

    /**
     * Scales a run of the weight's elements.
     *
     * @param firstElement which element of the weight stands first in {@code values}
     * @param values from position to limit, scaled in place
     */
    void apply(long firstElement, FloatBuffer values) throws IOException {
        int limit = values.limit();
        long element = firstElement;
        for (int at = values.position(); at < limit; ) {
            long row = element / columns;
            long column = element % columns;
            long block = column / blockColumns;
            long blockEnd = Math.min(columns, (block + 1) * blockColumns);
            int end = at + (int) Math.min(limit - at, blockEnd - column);
            multiply(values, at, end, at(row / blockRows * scaleColumns + block));
            element += end - at;
            at = end;
        }
    }

    private static void multiply(FloatBuffer values, int from, int to, float scale) {
        for (int i = from; i < to; i++) {
            values.put(i, values.get(i) * scale);
        }
    }

    private float at(long index) throws IOException {
        if (index < pieceFirst || index >= pieceFirst + pieceCount) {
            // the rows of a block read the same scales: begin with the first of them, if a row fits at all
            long first = scaleColumns <= PIECE ? index / scaleColumns * scaleColumns : index;
            pieceCount = (int) Math.min(PIECE, scales.elements() - first);
            pieceFirst = first;
            file.read(scales, first * Float.BYTES, piece.clear().limit(pieceCount * Float.BYTES));
        }
        return piece.getFloat((int) (index - pieceFirst) * Float.BYTES);
    }

    /** Gives the memory back. */
    @Override
    public void close() {
        scratch.giveBack(piece);
    }
}
