package ai.molae.djl.torch;

import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;

/**
 * Products {@code [rows, 2048] x [2048, 2048]} that take about as many FLOP/s as a machine has, with a weight packed as for inference. What they
 * reach is the ceiling that everything else is held against. Not thread-safe.
 */
public final class LargeProducts implements AutoCloseable {

    /** Rows of the products, ascending. */
    public static final List<Integer> ROWS = List.of(256, 512, 2048);

    private static final int WIDTH = 2048;

    private final NDManager manager;
    private final PackedWeights weights;
    private final NDArray owner;

    /**
     * Packs a weight for the kernel that {@link Gemm} takes for inference.
     *
     * @param parent its device multiplies
     * @param precision how the weight is stored
     */
    public LargeProducts(NDManager parent, Precision precision) {
        this(parent, precision, Gemm.inference(precision, parent.getDevice()));
    }

    /**
     * Packs a weight for a kernel.
     *
     * @throws ai.djl.engine.EngineException if the machine does not have it
     */
    LargeProducts(NDManager parent, Precision precision, long gemm) {
        manager = parent.newSubManager();
        owner = manager.ones(new Shape());
        weights = new PackedWeights(GemmMeasurement.OPS, precision, parent.getDevice(), gemm);
        try {
            try (NDArray w = random(WIDTH).reshape(1, WIDTH, WIDTH)) {
                weights.pack(w);
            }
            for (int rows : ROWS) {
                try (NDArray x = random(rows)) {
                    weights.keep(x);
                }
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private NDArray random(int rows) {
        return manager.randomUniform(-1, 1, new Shape(rows, WIDTH), DataType.FLOAT32);
    }

    /**
     * Multiplies and waits until it is done.
     *
     * @param rows one of {@link #ROWS}
     * @param times how often, one after the other; more than once for what takes less time than the wait
     */
    public void run(int rows, int times) {
        try (NoGrad noGrad = new NoGrad();
                NDArray arguments = ints(weights.gemm(), ROWS.indexOf(rows), times);
                NDArray element =
                        weights.call("repeat_product", owner, arguments).singletonOrThrow()) {
            element.getFloat(); // a GPU's calls return before they are done
        }
    }

    /**
     * What a product takes.
     *
     * @param rows its rows
     * @return {@code 2·rows·2048²} FLOPs, one multiply-add being 2
     */
    public static double flops(int rows) {
        return 2.0 * rows * WIDTH * WIDTH;
    }

    @Override
    public void close() {
        weights.close();
        manager.close();
    }
}
