package ai.molae.bench.contender;

import ai.molae.bench.measure.CeilingProbe;
import ai.molae.bench.measure.Metric;
import ai.molae.djl.torch.Precision;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The ceilings as JavaCPP's libtorch reaches them: the sum of 256 MiB of float32, and a product {@code [512, 2048] x [2048, 2048]ᵀ}. */
final class JavaCppCeilings implements CeilingProbe {

    private static final long READ_FLOATS = 1L << 26;
    private static final long ROWS = 512;
    private static final long WIDTH = 2048;

    private final Tensor read;
    private final Tensor left;
    private final Tensor right;

    JavaCppCeilings(Precision precision) {
        JavaCppTorch.load();
        try (PointerScope scope = new PointerScope()) {
            read = JavaCppTorch.keep(torch.ones(READ_FLOATS));
            left = JavaCppTorch.keep(torch.rand(ROWS, WIDTH).to(JavaCppTorch.type(precision)));
            right = JavaCppTorch.keep(torch.rand(WIDTH, WIDTH).to(JavaCppTorch.type(precision)));
        }
        measure();
    }

    @Override
    public Map<Metric, Double> measure() {
        return Map.of(
                Metric.BANDWIDTH, READ_FLOATS * Float.BYTES / seconds(read::sum),
                Metric.PEAK_FLOPS, 2.0 * ROWS * WIDTH * WIDTH / seconds(() -> torch.linear(left, right)));
    }

    private static double seconds(Runnable work) {
        try (PointerScope scope = new PointerScope();
                NoGradGuard noGrad = new NoGradGuard()) {
            long start = System.nanoTime();
            work.run();
            return (System.nanoTime() - start) * 1e-9;
        }
    }

    @Override
    public void close() {
        read.close();
        left.close();
        right.close();
    }
}
