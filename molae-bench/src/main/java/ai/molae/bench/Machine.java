package ai.molae.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.cost.Roofline;
import ai.molae.djl.torch.LargeProducts;
import ai.molae.djl.torch.Precision;
import java.util.EnumMap;
import java.util.Map;

/**
 * The ceilings of this machine as the library itself reaches them: contestants of the same {@link Contest} as what is held against them,
 * because the speed of a shared machine drifts.
 */
final class Machine implements AutoCloseable {

    private static final long READ_FLOATS = 1L << 26;

    private final NDManager manager;
    private final NDArray read;
    private final Map<Precision, LargeProducts> packed = new EnumMap<>(Precision.class);

    Machine(NDManager parent) {
        manager = parent.newSubManager();
        read = manager.ones(new Shape(READ_FLOATS));
    }

    /** Adds reading 256 MiB. */
    void addReading(Contest contest) {
        contest.add("read", call -> {
            try (NDArray sum = read.sum()) {
                sum.getFloat();
            }
        });
    }

    /** Adds large products in a precision, with weights packed as for inference. */
    void addProducts(Contest contest, Precision precision) {
        LargeProducts products = packed.computeIfAbsent(precision, stored -> new LargeProducts(manager, stored));
        for (int rows : LargeProducts.ROWS) {
            contest.add(name(precision, rows), call -> products.run(rows, 1));
        }
    }

    private static String name(Precision precision, int rows) {
        return "product " + precision + " " + rows;
    }

    /** The ceilings out of a contest's results. */
    static Roofline roofline(Map<String, Double> millis, Precision precision) {
        double flops = 0;
        for (int rows : LargeProducts.ROWS) {
            flops = Math.max(flops, LargeProducts.flops(rows) / (Layers.of(millis, name(precision, rows)) / 1e3));
        }
        return new Roofline(flops, READ_FLOATS * (double) Float.BYTES / (Layers.of(millis, "read") / 1e3));
    }

    @Override
    public void close() {
        packed.values().forEach(LargeProducts::close);
        manager.close();
    }
}
