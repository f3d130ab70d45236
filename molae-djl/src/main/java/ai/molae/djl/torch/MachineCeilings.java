package ai.molae.djl.torch;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.cost.Roofline;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Both ceilings of a {@link Roofline}, measured on this machine with libtorch's threads as they are, as often as wanted: what a machine reaches
 * drifts with clocks and neighbours, so measure right before and after whatever is compared with them. The products are {@link LargeProducts} with the
 * kernel and the number of rows that are fastest here; the bandwidth is that of reading the maxima of arrays that no cache of less than
 * 200 MB still holds. Each is the best of several short calls. Holds 300 MB. Not thread-safe.
 */
public final class MachineCeilings implements AutoCloseable {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    /** The best of so long. */
    private static final double SECONDS_OF_PRODUCTS = 0.03;

    /** Longer products are not tried, so that a measurement has several. */
    private static final double LONGEST_PRODUCT = 0.02;

    private static final int LEAST_PRODUCTS = 2;
    private static final int PIECES = 16;
    private static final long PIECE_FLOATS = 1L << 22;
    private static final Logger logger = LoggerFactory.getLogger(MachineCeilings.class);

    private record Best(LargeProducts products, int rows, double seconds) {

        double flopsPerSecond() {
            return LargeProducts.flops(rows) / seconds;
        }
    }

    private final NDManager manager;
    private final List<NDArray> pieces = new ArrayList<>();
    private final Best products;

    /**
     * Tries the kernels that {@link Gemm} may take for inference, and prepares 256 MiB to read.
     *
     * @param parent its device is measured
     * @param precision how the weights of the products are stored
     */
    public MachineCeilings(NDManager parent, Precision precision) {
        manager = parent.newSubManager();
        try {
            products = fastest(precision);
            for (int i = 0; i < PIECES; i++) {
                pieces.add(TorchOps.lasting(manager.full(new Shape(PIECE_FLOATS), i, DataType.FLOAT32)));
            }
            measure();
        } catch (RuntimeException e) {
            manager.close();
            throw e;
        }
    }

    private Best fastest(Precision precision) {
        Gemm.Question question = new Gemm.Question(Gemm.Purpose.INFERENCE, precision);
        List<Long> codes = new ArrayList<>();
        if (manager.getDevice().getDeviceType().equals(Device.Type.CPU)) {
            Gemm.candidates(question).forEach(kernel -> codes.add(Gemm.code(question, kernel)));
        } else {
            codes.add(Gemm.inference(precision, manager.getDevice()));
        }
        Best best = null;
        for (long code : codes) {
            Best candidate;
            try {
                candidate = best(new LargeProducts(manager, precision, code));
            } catch (OutOfNativeMemoryException e) {
                throw e; // which says nothing about the kernel
            } catch (EngineException e) {
                logger.debug("kernel {} cannot multiply here", code, e);
                continue;
            }
            if (best == null || candidate.flopsPerSecond() > best.flopsPerSecond()) {
                if (best != null) {
                    best.products().close();
                }
                best = candidate;
            } else {
                candidate.products().close();
            }
        }
        if (best == null) {
            throw new IllegalStateException("no kernel multiplies " + precision + " on " + manager.getDevice());
        }
        return best;
    }

    /** Of all numbers of rows that do not take too long. */
    private static Best best(LargeProducts large) {
        Best best = new Best(large, LargeProducts.ROWS.get(0), Double.POSITIVE_INFINITY);
        for (int rows : LargeProducts.ROWS) {
            large.run(rows, 1); // the first compiles
            double seconds = Math.min(seconds(large, rows), seconds(large, rows));
            Best candidate = new Best(large, rows, seconds);
            if (candidate.flopsPerSecond() > best.flopsPerSecond()) {
                best = candidate;
            }
            if (2 * seconds > LONGEST_PRODUCT) { // the next has at least twice the rows
                break;
            }
        }
        return best;
    }

    /**
     * Measures both, in about 40 ms; on a slow machine, as long as two products take.
     *
     * @return the best of the calls
     */
    public Roofline measure() {
        double flops = 0;
        double all = 0;
        for (int run = 0; run < LEAST_PRODUCTS || all < SECONDS_OF_PRODUCTS; run++) {
            double seconds = seconds(products.products(), products.rows());
            all += seconds;
            flops = Math.max(flops, LargeProducts.flops(products.rows()) / seconds);
        }
        double bandwidth = 0;
        try (NoGrad noGrad = new NoGrad()) {
            for (NDArray piece : pieces) {
                long start = System.nanoTime();
                try (NDArray greatest = piece.max()) {
                    greatest.getFloat();
                }
                bandwidth = Math.max(bandwidth, PIECE_FLOATS * (double) Float.BYTES / secondsSince(start));
            }
        }
        return new Roofline(flops, bandwidth);
    }

    private static double seconds(LargeProducts large, int rows) {
        long start = System.nanoTime();
        large.run(rows, 1);
        return secondsSince(start);
    }

    private static double secondsSince(long start) {
        return Math.max(1, System.nanoTime() - start) * 1e-9;
    }

    @Override
    public void close() {
        products.products().close();
        manager.close();
    }
}
