package ai.molae.bench.measure;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.torch.LargeProducts;
import ai.molae.djl.torch.Precision;
import java.util.Map;

/** The ceilings of this machine as the library itself reaches them, cheap enough to be measured between iterations. */
public final class Ceilings implements CeilingProbe {

    private static final long READ_FLOATS = 1L << 26;
    private static final int ROWS = 512;

    private final NDManager manager;
    private final NDArray read;
    private final LargeProducts products;

    /**
     * Prepares large products and 256 MiB to read.
     *
     * @param parent whose device is used
     * @param precision of the products
     */
    public Ceilings(NDManager parent, Precision precision) {
        this(precision, parent.newSubManager());
    }

    /**
     * Prepares them on the default device.
     *
     * @param precision of the products
     */
    public Ceilings(Precision precision) {
        this(precision, NDManager.newBaseManager());
    }

    private Ceilings(Precision precision, NDManager manager) {
        this.manager = manager;
        read = manager.ones(new Shape(READ_FLOATS));
        products = new LargeProducts(manager, precision);
        measure();
    }

    @Override
    public Map<Metric, Double> measure() {
        long start = System.nanoTime();
        try (NDArray sum = read.sum()) {
            sum.getFloat();
        }
        double bandwidth = READ_FLOATS * (double) Float.BYTES / ((System.nanoTime() - start) * 1e-9);
        start = System.nanoTime();
        products.run(ROWS, 1);
        double flops = LargeProducts.flops(ROWS) / ((System.nanoTime() - start) * 1e-9);
        return Map.of(Metric.BANDWIDTH, bandwidth, Metric.PEAK_FLOPS, flops);
    }

    @Override
    public void close() {
        products.close();
        manager.close();
    }
}
