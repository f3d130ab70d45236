package ai.molae.bench.contender;

import ai.molae.djl.torch.Precision;
import java.nio.file.Path;
import java.util.Optional;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * JavaCPP's libtorch. It is another file than DJL's and must have a process of its own: nothing here, and nothing that uses it, may start DJL's
 * engine.
 */
final class JavaCppTorch {

    private JavaCppTorch() {}

    /**
     * Loads it, unless it is loaded. Libraries are unpacked to {@code org.bytedeco.javacpp.cachedir}; where that is not set, below {@code molae.cache}; where neither is,
     * below the home folder. JavaCPP's limit on resident memory, which would answer large weights with collections of the Java heap, is lifted unless it is set.
     *
     * @throws IllegalArgumentException if there is none for this system
     */
    static void load() {
        String cache = System.getProperty("molae.cache");
        if (cache != null) {
            setIfAbsent("cachedir", Path.of(cache, "javacpp").toString());
        }
        setIfAbsent("maxBytes", "0");
        setIfAbsent("maxPhysicalBytes", "0");
        try {
            Loader.load(torch.class);
        } catch (UnsatisfiedLinkError | NoClassDefFoundError e) {
            throw new IllegalArgumentException(
                    "JavaCPP's PyTorch cannot be loaded: there must be a jar with its libraries for "
                            + Loader.Detector.getPlatform() + " on the class path; " + e.getMessage(),
                    e);
        }
    }

    private static void setIfAbsent(String name, String value) {
        String key = "org.bytedeco.javacpp." + name;
        if (System.getProperty(key) == null) {
            System.setProperty(key, value);
        }
    }

    /**
     * The element type that a grouped loop computes in.
     *
     * @throws IllegalArgumentException for float16, which libtorch multiplies slowly on a CPU, and int8, which needs kernels of its own
     */
    static ScalarType type(Precision precision) {
        refusal(precision).ifPresent(why -> {
            throw new IllegalArgumentException(why);
        });
        return precision == Precision.BFLOAT16 ? ScalarType.BFloat16 : ScalarType.Float;
    }

    /** Why a grouped loop does not compute in a precision; empty if it does. Loads nothing. */
    static Optional<String> refusal(Precision precision) {
        return precision == Precision.FLOAT32 || precision == Precision.BFLOAT16
                ? Optional.empty()
                : Optional.of("the JavaCPP loop multiplies in FLOAT32 or BFLOAT16, not in " + precision
                        + ": libtorch's own products have no weights stored as float16 or int8 for float32 inputs");
    }

    /** A tensor of its own, which the caller closes. */
    static Tensor tensor(float[] numbers, ScalarType type, long... shape) {
        try (PointerScope scope = new PointerScope()) {
            return keep(Tensor.create(numbers, shape).to(type));
        }
    }

    /** The tensor, which outlives the scope it was made in, until it is closed. */
    static Tensor keep(Tensor tensor) {
        tensor.retainReference();
        return tensor;
    }

    /** A copy of what a contiguous float32 tensor holds. */
    static float[] numbers(Tensor tensor) {
        float[] numbers = new float[Math.toIntExact(tensor.numel())];
        try (FloatPointer data = tensor.data_ptr_float()) {
            data.get(numbers);
        }
        return numbers;
    }
}
