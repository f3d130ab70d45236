package ai.molae.djl.torch;

import ai.djl.Device;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Chooses how matrix products are computed, the one decision behind every expert and linear layer. Which library is fastest differs
 * between CPU vendors and with the number of rows, so the candidates are measured: once per machine, number of threads and libtorch
 * version, in a tenth to a third of a second, logged at INFO and kept in {@code gemm-*.properties} under {@code ~/.cache/molae} ({@code -Dmolae.cache=DIR}
 * for another folder).
 *
 * <table>
 * <caption>Candidates</caption>
 * <tr><th></th><th>CPU</th><th>GPU</th></tr>
 * <tr><td>training, float32</td><td>MATMUL or ONEDNN, by the number of rows</td><td>MATMUL</td></tr>
 * <tr><td>training, bfloat16</td><td>MATMUL</td><td>MATMUL</td></tr>
 * <tr><td>inference, float32 and bfloat16</td><td>MATMUL, ONEDNN</td><td>MATMUL</td></tr>
 * <tr><td>inference, float16 and int8 weights</td><td>MATMUL, FBGEMM</td><td>MATMUL</td></tr>
 * </table>
 *
 * <p>{@link #use} or {@code -Dmolae.gemm=matmul|onednn|fbgemm} takes the place of the measurement wherever the named kernel is a candidate
 * (for training, at every size). Kernels differ in rounding, so results can differ in the last digits between machines.
 */
public final class Gemm {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    /** Overrides the measurement: {@code matmul}, {@code onednn} or {@code fbgemm}. */
    public static final String KERNEL_PROPERTY = "molae.gemm";

    /** On demand oneDNN multiplies small matrices too. */
    private static final long ANY_SIZE = 1 << 24;

    /** What products are for. */
    enum Purpose {
        TRAINING,
        INFERENCE
    }

    /** A decision to take. */
    record Question(Purpose purpose, Precision precision) {

        @Override
        public String toString() {
            return (purpose + "." + precision).toLowerCase(Locale.ROOT);
        }
    }

    private static final Map<Question, Long> MEASURED = new ConcurrentHashMap<>();
    private static final Set<Question> KNOWN_RIGHT = ConcurrentHashMap.newKeySet();
    private static volatile Optional<GemmKernel> override = Optional.empty();

    private Gemm() {}

    /**
     * Takes a kernel wherever it is a candidate, from the next call or {@code prepareForInference} on; empty goes back to the system property or, without it, to measuring.
     *
     * @param kernel the kernel, or empty
     */
    public static void use(Optional<GemmKernel> kernel) {
        override = kernel;
    }

    /**
     * The number by which TorchScript methods know how to multiply parameters, differentiably.
     *
     * @param precision a precision that trains
     * @param device where the arrays are
     * @return the number, see {@code common.py}
     * @throws IllegalArgumentException if the precision is for inference only
     */
    public static long training(Precision precision, Device device) {
        precision.checkTrainable();
        return decide(new Question(Purpose.TRAINING, precision), device);
    }

    /**
     * Whether a product of so many rows that autograd records goes through oneDNN, whose arrays are copies that autograd keeps.
     *
     * @param precision a precision that trains
     * @param device where the arrays are
     * @param rows rows of the activations
     * @return true for oneDNN; small matrices may be an exception
     * @throws IllegalArgumentException if the precision is for inference only
     */
    public static boolean copiesProducts(Precision precision, Device device, long rows) {
        long gemm = training(precision, device);
        int sizeClass = 0;
        while (sizeClass < 4 && rows > 4L << (2 * sizeClass)) {
            sizeClass++;
        }
        // As by_onednn in common.py has it; bfloat16 products that autograd records are plain matmuls.
        return precision == Precision.FLOAT32 && (gemm >> 4 & 15) == 1 && (gemm >> (8 + sizeClass) & 1) == 1;
    }

    /**
     * The number by which TorchScript methods know how to pack and multiply weights prepared for inference.
     *
     * @param precision how the weights are stored
     * @param device where the arrays are
     * @return the number, see {@code common.py}
     * @throws IllegalStateException if a kernel was demanded that multiplies wrongly on this machine
     */
    public static long inference(Precision precision, Device device) {
        return decide(new Question(Purpose.INFERENCE, precision), device);
    }

    /**
     * Which kernel {@link #inference} takes, for people.
     *
     * @param precision how the weights are stored
     * @param device where the arrays are
     * @return the kernel
     * @throws IllegalStateException if a kernel was demanded that multiplies wrongly on this machine
     */
    public static GemmKernel inferenceKernel(Precision precision, Device device) {
        long kernel = inference(precision, device) >> 4;
        return kernel == 0 || kernel == 5 ? GemmKernel.MATMUL : kernel == 2 ? GemmKernel.ONEDNN : GemmKernel.FBGEMM;
    }

    /**
     * Which kernels {@link #training} takes, for people.
     *
     * @param precision a precision that trains
     * @param device where the arrays are
     * @return one kernel, or MATMUL and ONEDNN when the number of rows decides
     * @throws IllegalArgumentException if the precision is for inference only
     */
    public static List<GemmKernel> trainingKernels(Precision precision, Device device) {
        long gemm = training(precision, device);
        if ((gemm >> 4 & 15) == 0) {
            return List.of(GemmKernel.MATMUL);
        }
        return (gemm & ANY_SIZE) != 0 ? List.of(GemmKernel.ONEDNN) : List.of(GemmKernel.MATMUL, GemmKernel.ONEDNN);
    }

    private static long decide(Question question, Device device) {
        if (!device.getDeviceType().equals(Device.Type.CPU)) {
            boolean half = question.precision() == Precision.FLOAT16;
            return half ? Precision.FLOAT16.storageType() : code(question, GemmKernel.MATMUL);
        }
        List<GemmKernel> candidates = candidates(question);
        Optional<GemmKernel> given = override.or(() -> fromProperty(System.getProperty(KERNEL_PROPERTY)))
                .filter(candidates::contains);
        if (given.isPresent()) {
            if (given.get() == GemmKernel.FBGEMM && KNOWN_RIGHT.add(question)) {
                GemmMeasurement.requireRight(question, GemmKernel.FBGEMM);
            }
            return code(question, given.get());
        }
        return candidates.size() == 1
                ? code(question, candidates.get(0))
                : MEASURED.computeIfAbsent(question, GemmMeasurement::choose);
    }

    static List<GemmKernel> candidates(Question question) {
        if (question.purpose() == Purpose.TRAINING) {
            return question.precision() == Precision.FLOAT32
                    ? List.of(GemmKernel.MATMUL, GemmKernel.ONEDNN)
                    : List.of(GemmKernel.MATMUL);
        }
        return question.precision().isTrainable()
                ? List.of(GemmKernel.MATMUL, GemmKernel.ONEDNN)
                : List.of(GemmKernel.MATMUL, GemmKernel.FBGEMM);
    }

    /** The number as {@code common.py} reads it. */
    static long code(Question question, GemmKernel kernel) {
        if (question.purpose() == Purpose.TRAINING) {
            return kernel == GemmKernel.MATMUL
                    ? question.precision().scalarType()
                    : ANY_SIZE | byRows(question.precision(), GemmMeasurement.ALL_ROWS, GemmMeasurement.ALL_ROWS);
        }
        boolean int8 = question.precision() == Precision.INT8;
        long number =
                switch (kernel) {
                    case MATMUL -> int8 ? 5 : 0;
                    case ONEDNN -> 2;
                    case FBGEMM -> int8 ? 4 : 3;
                };
        return question.precision().scalarType() | number << 4;
    }

    /** Training: oneDNN in some classes of rows, matmul in the others; apart for products that autograd records. */
    static long byRows(Precision precision, int recorded, int unrecorded) {
        if (recorded == 0 && unrecorded == 0) {
            return precision.scalarType();
        }
        return precision.scalarType() | 1 << 4 | (long) recorded << 8 | (long) unrecorded << 16;
    }

    static Optional<GemmKernel> fromProperty(@Nullable String value) {
        if (value == null || value.isBlank()) {
            return Optional.empty();
        }
        for (GemmKernel kernel : GemmKernel.values()) {
            if (kernel.name().equalsIgnoreCase(value.trim())) {
                return Optional.of(kernel);
            }
        }
        throw new IllegalArgumentException(
                KERNEL_PROPERTY + " must be one of " + Arrays.toString(GemmKernel.values()) + ", got " + value);
    }
}
