package ai.molae.djl.torch;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * An array that the system, or a limit on this process, has no memory for. Says how many bytes were asked for, what for, and what can be done. What
 * failed has freed its arrays with their managers, and the process goes on: smaller work succeeds.
 *
 * <p>Only a refusal can be told. Linux usually promises more memory than there is, and then kills a process (exit code 137) when it is
 * written to; whoever wants an exception instead limits the address space, {@code ulimit -v}, or asks {@code molae plan} first.
 */
public final class OutOfNativeMemoryException extends EngineException {

    private static final long serialVersionUID = 1L;

    /** libtorch's allocators on the CPU, here and on Windows. */
    private static final Pattern CPU = Pattern.compile("tried to allocate (\\d+) bytes");

    private static final Pattern GPU = Pattern.compile("Tried to allocate ([0-9.]+ [KMGT]iB)");

    private static final Pattern UNCOUNTABLE =
            Pattern.compile("Storage size calculation overflowed with sizes=(\\[[^]]*])");

    /** How the C++ library and oneDNN say it, without a number. */
    private static final List<String> WITHOUT_NUMBER =
            List.of("std::bad_alloc", "bad allocation", "Cannot allocate memory", "out of memory");

    private static final String ADVICE =
            "Use fewer or shorter sequences at a time, a smaller layer, weights in BFLOAT16 or INT8, recomputation in training, or more"
                    + " memory; `molae plan` tells what a layer takes.";

    /** What was asked for; 0 if libtorch does not say. */
    private final long bytes;

    private OutOfNativeMemoryException(String message, long bytes, EngineException cause) {
        super(message, cause);
        this.bytes = bytes;
    }

    /**
     * How much was asked for.
     *
     * @return the bytes of the array that was refused; empty if libtorch does not say, or if they are more than a long counts
     */
    public OptionalLong bytes() {
        return bytes > 0 ? OptionalLong.of(bytes) : OptionalLong.empty();
    }

    /**
     * Puts what is known of a failed allocation into words.
     *
     * @param failure what libtorch threw
     * @param what what was being done, with shapes
     * @return an exception of this class if memory was refused; otherwise, or if it is one already, the failure itself
     */
    public static EngineException told(EngineException failure, Supplier<String> what) {
        if (failure instanceof OutOfNativeMemoryException) {
            return failure;
        }
        String text = String.valueOf(failure.getMessage());
        Matcher cpu = CPU.matcher(text);
        Matcher gpu = GPU.matcher(text);
        Matcher uncountable = UNCOUNTABLE.matcher(text);
        long bytes = 0;
        String asked;
        if (cpu.find()) {
            bytes = number(cpu.group(1));
            asked = String.format(
                    Locale.ROOT, "%s bytes (%.2f GB)", cpu.group(1), Double.parseDouble(cpu.group(1)) / 1e9);
        } else if (gpu.find()) {
            asked = gpu.group(1);
        } else if (uncountable.find()) {
            asked = "an array of shape " + uncountable.group(1) + ", whose bytes exceed 2^63";
        } else if (WITHOUT_NUMBER.stream().anyMatch(text::contains)) {
            asked = "memory, how much is not said,";
        } else {
            return failure;
        }
        OptionalLong inUse = NativeMemory.inUse();
        String used =
                inUse.isPresent() ? String.format(Locale.ROOT, ", %.2f GB are in use", inUse.getAsLong() / 1e9) : "";
        return new OutOfNativeMemoryException(
                "libtorch asked for " + asked + " for " + what.get() + ", and did not get them" + used + ". " + ADVICE,
                bytes,
                failure);
    }

    private static long number(String digits) {
        try {
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            return 0; // libtorch counts to 2^64
        }
    }

    /** The shapes of what an operation reads, without what stands for nothing. */
    static String shapes(NDArray... arrays) {
        return Stream.of(arrays)
                .filter(array -> !array.isReleased())
                .map(NDArray::getShape)
                .filter(shape -> shape.dimension() > 0 && shape.size() != 0)
                .map(Shape::toString)
                .collect(Collectors.joining(" "));
    }
}
