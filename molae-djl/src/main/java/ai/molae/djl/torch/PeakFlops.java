package ai.molae.djl.torch;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The most floating-point operations per second that matrix products reach on this machine, with libtorch's threads as they are: the ceiling that
 * model FLOPs utilisation is relative to. Measured, because data sheets leave out memory, clocks and whoever else is on the machine; kept as
 * long as the process runs, not longer, for the same reason.
 */
public final class PeakFlops {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    /** A run is not shorter, or the call and the clock would count. */
    private static final double LEAST_SECONDS = 0.005;

    /** From here on larger products would take longer and tell no more. */
    private static final double LONG_SECONDS = 0.06;

    private static final int LEAST_RUNS = 2;
    private static final int MOST_RUNS = 12;
    private static final double SECONDS_PER_SIZE = 0.1;
    private static final Logger logger = LoggerFactory.getLogger(PeakFlops.class);

    private record Question(Precision precision, Device device) {}

    private static final Map<Question, Double> MEASURED = new ConcurrentHashMap<>();

    private PeakFlops() {}

    /**
     * The best of several runs of {@link LargeProducts}, over their sizes and the kernels of {@link Gemm}. The first call for a precision and a device
     * measures, in about a second, and logs the result at INFO.
     *
     * @param precision the arithmetic, one that trains
     * @param device where
     * @return FLOP/s, one multiply-add being 2
     * @throws IllegalArgumentException if the precision is for inference only
     */
    public static double measure(Precision precision, Device device) {
        precision.checkTrainable();
        return MEASURED.computeIfAbsent(new Question(precision, device), PeakFlops::measure);
    }

    private static double measure(Question question) {
        long start = System.nanoTime();
        Gemm.Question products = new Gemm.Question(Gemm.Purpose.INFERENCE, question.precision());
        boolean cpu = question.device().getDeviceType().equals(Device.Type.CPU);
        List<GemmKernel> kernels = cpu ? Gemm.candidates(products) : List.of(GemmKernel.MATMUL);
        double best = 0;
        try (NDManager manager = Engine.getEngine("PyTorch").newBaseManager(question.device())) {
            for (GemmKernel kernel : kernels) {
                try (LargeProducts large =
                        new LargeProducts(manager, question.precision(), Gemm.code(products, kernel))) {
                    best = Math.max(best, best(large));
                } catch (OutOfNativeMemoryException e) {
                    throw e; // which says nothing about the kernel
                } catch (EngineException e) {
                    logger.debug("{} cannot multiply here", kernel, e);
                }
            }
        }
        logger.info(
                "peak of {} products on {}: {} GFLOP/s (measured in {} ms)",
                question.precision(),
                question.device(),
                String.format(Locale.ROOT, "%.0f", best / 1e9),
                (System.nanoTime() - start) / 1_000_000);
        return best;
    }

    private static double best(LargeProducts large) {
        double best = 0;
        for (int rows : LargeProducts.ROWS) {
            int times = 1;
            large.run(rows, times); // the first compiles
            double seconds = seconds(large, rows, times);
            while (seconds < LEAST_SECONDS) {
                times *= 2;
                seconds = seconds(large, rows, times);
            }
            double all = seconds;
            double least = seconds;
            for (int run = 1; run < LEAST_RUNS || (run < MOST_RUNS && all < SECONDS_PER_SIZE); run++) {
                seconds = seconds(large, rows, times);
                all += seconds;
                least = Math.min(least, seconds);
            }
            best = Math.max(best, times * LargeProducts.flops(rows) / least);
            if (least / times > LONG_SECONDS) {
                break;
            }
        }
        return best;
    }

    private static double seconds(LargeProducts large, int rows, int times) {
        long start = System.nanoTime();
        large.run(rows, times);
        return Math.max(1, System.nanoTime() - start) * 1e-9;
    }
}
