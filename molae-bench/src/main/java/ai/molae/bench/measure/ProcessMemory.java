package ai.molae.bench.measure;

import ai.djl.Device;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.util.cuda.CudaUtils;
import ai.molae.djl.torch.NativeMemory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.concurrent.locks.LockSupport;

/** What this process holds outside the Java heap: bytes that native code has in use, and resident pages. */
public final class ProcessMemory {

    private static final Path STATUS = Path.of("/proc/self/status");
    private static final Path CLEAR_REFS = Path.of("/proc/self/clear_refs");
    /** See proc(5): sets VmHWM to VmRSS. */
    private static final String RESET_PEAK = "5";

    private static final int MOST_READINGS = 12;
    private static final int LEAST_UNCHANGED = 2;
    private static final long PAUSE_NANOS = 20_000_000;
    private static final long NOISE = 1 << 16;

    private static final int GPUS = CudaUtils.getGpuCount();

    private ProcessMemory() {}

    /**
     * Native bytes in use once everything is freed that nobody refers to: Java's direct buffers, through which arrays are filled, lie in {@code malloc}'s
     * memory as well, and are freed after a garbage collection, by another thread. The least of several readings.
     *
     * @return bytes in use of {@link NativeMemory#inUse()} less {@link JvmMemory}, plus those of GPUs; empty where they cannot be told
     */
    public static OptionalLong settled() {
        OptionalLong first = inUse();
        if (first.isEmpty()) {
            return first;
        }
        long least = first.getAsLong();
        int unchanged = 0;
        for (int reading = 0; reading < MOST_READINGS && unchanged < LEAST_UNCHANGED; reading++) {
            System.gc();
            LockSupport.parkNanos(PAUSE_NANOS);
            long now = inUse().orElse(least);
            unchanged = now < least - NOISE ? 0 : unchanged + 1;
            least = Math.min(least, now);
        }
        if (GPUS > 0) {
            JniUtils.emptyCudaCache();
            least = Math.min(least, inUse().orElse(least));
        }
        return OptionalLong.of(least);
    }

    /**
     * Native bytes in use at this moment, garbage that Java has not collected included.
     *
     * @return bytes in use of {@link NativeMemory#inUse()} less {@link JvmMemory}, plus those of GPUs; empty where they cannot be told
     */
    public static OptionalLong inUse() {
        OptionalLong host = NativeMemory.inUse();
        return host.isEmpty() ? host : OptionalLong.of(host.getAsLong() - JvmMemory.allocated() + onGpus());
    }

    /** Bytes that the GPUs have handed out, to this process's allocator, which keeps what was freed, and to others. */
    static long onGpus() {
        long bytes = 0;
        for (int i = 0; i < GPUS; i++) {
            bytes += CudaUtils.getGpuMemory(Device.gpu(i)).getUsed();
        }
        return bytes;
    }

    /**
     * Resident memory, the Java heap included.
     *
     * @return VmRSS in bytes, or empty without a {@code /proc}
     */
    public static OptionalLong resident() {
        return status("VmRSS:");
    }

    /**
     * The most resident memory since {@link #resetResidentPeak()}.
     *
     * @return VmHWM in bytes, or empty without a {@code /proc}
     */
    static OptionalLong residentPeak() {
        return status("VmHWM:");
    }

    /**
     * Lets the peak of resident memory begin anew.
     *
     * @return false if this system cannot
     */
    static boolean resetResidentPeak() {
        try {
            Files.writeString(CLEAR_REFS, RESET_PEAK);
            return true;
        } catch (IOException | SecurityException e) {
            return false;
        }
    }

    private static OptionalLong status(String field) {
        try {
            return Files.readAllLines(STATUS).stream()
                    .filter(line -> line.startsWith(field))
                    // VmRSS:      123456 kB
                    .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst();
        } catch (IOException | NumberFormatException e) {
            return OptionalLong.empty();
        }
    }
}
