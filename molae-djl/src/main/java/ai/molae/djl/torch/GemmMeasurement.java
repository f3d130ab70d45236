package ai.molae.djl.torch;

import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.djl.torch.Gemm.Purpose;
import ai.molae.djl.torch.Gemm.Question;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Times the candidates of {@link Gemm} on this machine's CPU. */
final class GemmMeasurement {

    static final TorchOps OPS = new TorchOps(GemmMeasurement.class, "gemm.py");

    /** A number of rows out of each class that {@code linear} in {@code common.py} tells apart: up to 4, 16, 64, 256, more. */
    private static final int[] ROWS = {2, 8, 32, 128, 512};

    static final int ALL_ROWS = (1 << ROWS.length) - 1;

    /** The matrices are [256, 512]: the smallest that {@code by_onednn} in {@code common.py} hands to oneDNN. */
    private static final int HEIGHT = 256;

    private static final int WIDTH = 512;
    /** oneDNN has to compile for every new number of rows, so a narrow win is none. */
    private static final double CLEAR_WIN = 0.85;

    private static final int MATRICES = 8;
    private static final int REPETITIONS = 3;
    private static final Logger logger = LoggerFactory.getLogger(GemmMeasurement.class);

    private GemmMeasurement() {}

    /** The best way, from an earlier measurement on this machine if there is one. */
    static long choose(Question question) {
        GemmCache cache = GemmCache.ofThisMachine();
        OptionalLong known = cache.get(question);
        if (known.isPresent()) {
            logger.info("products for {} on {}: {}", question, cache.machine(), describe(question, known.getAsLong()));
            return known.getAsLong();
        }
        long start = System.nanoTime();
        long code = measure(question);
        logger.info(
                "products for {} on {}: {} (measured in {} ms)",
                question,
                cache.machine(),
                describe(question, code),
                (System.nanoTime() - start) / 1_000_000);
        cache.put(question, code);
        return code;
    }

    /** Measures now. */
    static long measure(Question question) {
        boolean gradients = JniUtils.isGradMode();
        try (NDManager manager = Engine.getEngine("PyTorch").newBaseManager(Device.cpu())) {
            if (question.purpose() == Purpose.TRAINING) {
                JniUtils.setGradMode(true);
                int recorded = classesWonByOneDnn(times(manager, question));
                JniUtils.setGradMode(false);
                return Gemm.byRows(question.precision(), recorded, classesWonByOneDnn(times(manager, question)));
            }
            JniUtils.setGradMode(false);
            return Gemm.code(question, fastestOverall(times(manager, question)));
        } finally {
            JniUtils.setGradMode(gradients);
        }
    }

    /** The candidates that work here, each with the least time of each class of rows. */
    private static Map<GemmKernel, double[]> times(NDManager manager, Question question) {
        Map<GemmKernel, double[]> nanos = new EnumMap<>(GemmKernel.class);
        for (GemmKernel kernel : Gemm.candidates(question)) {
            try {
                nanos.put(kernel, time(manager, question, kernel));
            } catch (OutOfNativeMemoryException e) {
                throw e; // which says nothing about the kernel
            } catch (EngineException e) {
                logger.debug("{} cannot compute {} here", kernel, question, e);
            }
        }
        return nanos;
    }

    private static int classesWonByOneDnn(Map<GemmKernel, double[]> nanos) {
        double[] matmul = nanos.getOrDefault(GemmKernel.MATMUL, new double[0]);
        double[] onednn = nanos.getOrDefault(GemmKernel.ONEDNN, new double[0]);
        int classes = 0;
        for (int i = 0; i < Math.min(matmul.length, onednn.length); i++) {
            if (onednn[i] < CLEAR_WIN * matmul[i]) {
                classes |= 1 << i;
            }
        }
        return classes;
    }

    /** Weights are packed for one kernel, so all classes of rows count alike: the least product of times. */
    private static GemmKernel fastestOverall(Map<GemmKernel, double[]> nanos) {
        GemmKernel best = GemmKernel.MATMUL;
        double least = Double.POSITIVE_INFINITY;
        for (Map.Entry<GemmKernel, double[]> entry : nanos.entrySet()) {
            double sum = Arrays.stream(entry.getValue()).map(Math::log).sum();
            if (sum < least) {
                least = sum;
                best = entry.getKey();
            }
        }
        return best;
    }

    /** The least time of each class of rows, in nanoseconds. */
    private static double[] time(NDManager manager, Question question, GemmKernel kernel) {
        try (NDManager scope = manager.newSubManager()) {
            if (question.purpose() == Purpose.TRAINING) {
                NDArray weight = scope.ones(new Shape(HEIGHT, WIDTH));
                weight.setRequiresGradient(JniUtils.isGradMode());
                NDArray gemm = scope.create(new long[] {Gemm.code(question, kernel)});
                return time(scope, x -> OPS.call("train", x, weight, gemm));
            }
            try (PackedWeights weights = packed(scope, question, kernel);
                    NDArray gemm = ints(weights.gemm())) {
                check(kernel, weights, scope);
                return time(scope, x -> weights.call("infer", x, gemm));
            }
        }
    }

    private static double[] time(NDManager scope, Function<NDArray, NDList> products) {
        double[] best = new double[ROWS.length];
        for (int i = 0; i < ROWS.length; i++) {
            NDArray x = scope.ones(new Shape(ROWS[i], WIDTH));
            x.setRequiresGradient(JniUtils.isGradMode());
            best[i] = Double.POSITIVE_INFINITY;
            for (int repetition = 0; repetition <= REPETITIONS; repetition++) {
                long start = System.nanoTime();
                products.apply(x).close();
                if (repetition > 0) { // the first compiles
                    best[i] = Math.min(best[i], (double) (System.nanoTime() - start));
                }
            }
        }
        return best;
    }

    /**
     * Refuses a kernel that multiplies wrongly here.
     *
     * @throws IllegalStateException if it does
     */
    static void requireRight(Question question, GemmKernel kernel) {
        try (NDManager scope = Engine.getEngine("PyTorch").newBaseManager(Device.cpu());
                NoGrad noGrad = new NoGrad();
                PackedWeights weights = packed(scope, question, kernel)) {
            check(kernel, weights, scope);
        } catch (OutOfNativeMemoryException e) {
            throw e;
        } catch (EngineException e) {
            throw new IllegalStateException(
                    kernel + " cannot compute " + question + " on this machine; choose another kernel or none", e);
        }
    }

    private static PackedWeights packed(NDManager scope, Question question, GemmKernel kernel) {
        PackedWeights weights =
                new PackedWeights(OPS, question.precision(), scope.getDevice(), Gemm.code(question, kernel));
        try {
            weights.pack(scope.ones(new Shape(MATRICES, HEIGHT, WIDTH)));
            return weights;
        } catch (RuntimeException e) {
            weights.close();
            throw e;
        }
    }

    /** Without VNNI instructions FBGEMM's int8 products overflow silently; the largest values show it. */
    private static void check(GemmKernel kernel, PackedWeights weights, NDManager scope) {
        try (NDArray gemm = ints(weights.gemm())) {
            float y = weights.call("first_product", scope.ones(new Shape(1, WIDTH)), gemm)
                    .singletonOrThrow()
                    .getFloat(0, 0);
            if (Math.abs(y / WIDTH - 1) > 0.01) {
                throw new EngineException(kernel + " multiplies wrongly here: " + y + " instead of " + WIDTH);
            }
        }
    }

    private static String describe(Question question, long code) {
        if (question.purpose() == Purpose.TRAINING) {
            return "with autograd " + describeRows(code >> 8) + "; without " + describeRows(code >> 16);
        }
        for (GemmKernel kernel : Gemm.candidates(question)) {
            if (Gemm.code(question, kernel) == code) {
                return kernel.toString();
            }
        }
        return "unknown code " + code;
    }

    private static String describeRows(long classes) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < ROWS.length; i++) {
            boolean onednn = (classes >> i & 1) == 1;
            text.append(i == 0 ? "" : ", ").append(ROWS[i]).append(" rows ").append(onednn ? "oneDNN" : "matmul");
        }
        return text.toString();
    }
}
