package ai.molae.bench;

import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.cost.Roofline;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchOps;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * The ceilings of this machine as the library itself reaches them: contestants of the same {@link Contest} as what is held against them,
 * because the speed of a shared machine drifts.
 */
final class Machine implements AutoCloseable {

    private static final long READ_FLOATS = 1L << 26;
    private static final int WIDTH = 2048;
    private static final List<Integer> ROWS = List.of(256, 512, 2048);

    private final NDManager manager;
    private final NDArray read;
    private final Map<Precision, TorchOps> packed = new EnumMap<>(Precision.class);
    private final Map<Precision, Long> codes = new EnumMap<>(Precision.class);

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
        TorchOps ops = packed.computeIfAbsent(precision, this::pack);
        for (int rows : ROWS) {
            NDArray x = manager.randomNormal(new Shape(rows, WIDTH));
            contest.add(name(precision, rows), call -> {
                try (NoGrad noGrad = new NoGrad();
                        NDArray gemm = ints(Layers.of(codes, precision))) {
                    ops.call("infer", x, gemm).close();
                }
            });
        }
    }

    private TorchOps pack(Precision precision) {
        TorchOps ops = new TorchOps(Gemm.class, "gemm.py");
        long code = Gemm.inference(precision, Device.cpu());
        codes.put(precision, code);
        try (NoGrad noGrad = new NoGrad();
                NDArray packing = ints(code, precision.storageType());
                NDArray w = manager.randomNormal(new Shape(1, WIDTH, WIDTH))) {
            ops.call("pack", w, packing).close();
        }
        return ops;
    }

    private static String name(Precision precision, int rows) {
        return "product " + precision + " " + rows;
    }

    /** The ceilings out of a contest's results. */
    static Roofline roofline(Map<String, Double> millis, Precision precision) {
        double flops = 0;
        for (int rows : ROWS) {
            flops = Math.max(flops, 2.0 * rows * WIDTH * WIDTH / (Layers.of(millis, name(precision, rows)) / 1e3));
        }
        return new Roofline(flops, READ_FLOATS * (double) Float.BYTES / (Layers.of(millis, "read") / 1e3));
    }

    @Override
    public void close() {
        packed.values().forEach(TorchOps::close);
        manager.close();
    }
}
