package ai.molae.djl.torch;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Platform;
import com.sun.jna.Structure;
import java.util.OptionalLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Exact figures of the memory that native code holds, from glibc's {@code mallinfo2}: bytes in use, not resident pages. Tensors on the CPU
 * are allocated there. Empty on systems without it (macOS, Windows, musl).
 */
public final class NativeMemory {

    private static final @Nullable GlibC LIBC = load();
    private static final String MALLOC_PROPERTY = "molae.malloc";
    // See mallopt(3).
    private static final int M_TRIM_THRESHOLD = -1;
    private static final int M_TOP_PAD = -2;
    private static final int M_MMAP_MAX = -4;
    private static final int TOP_PAD = 64 << 20;
    private static final long SAMPLE_NANOS = 2_000_000;

    private NativeMemory() {}

    /**
     * Bytes allocated by {@code malloc} and not freed, in all arenas and in mapped chunks.
     *
     * @return the bytes in use, or empty where glibc is absent
     */
    public static OptionalLong inUse() {
        if (LIBC == null) {
            return OptionalLong.empty();
        }
        MallInfo2 info = LIBC.mallinfo2();
        return OptionalLong.of(info.uordblks + info.hblkhd);
    }

    /**
     * Watches {@link #inUse()} from a daemon thread, every two milliseconds, until closed.
     *
     * @return the watch
     */
    public static Peak watchPeak() {
        return new Peak();
    }

    /**
     * Tells {@code malloc} to keep freed memory for the next allocation instead of returning it to the system, once per process. Otherwise
     * every large tensor is mapped anew, and the system clears each of its pages on first touch, in every step. The process then holds the most
     * that it ever used, until {@link #trim()}. {@link TorchOps} calls it before its first call; {@code -Dmolae.malloc=system} leaves malloc
     * alone. Without effect where glibc is absent.
     */
    public static void keepFreed() {
        if (LIBC != null && !"system".equals(System.getProperty(MALLOC_PROPERTY))) {
            LIBC.mallopt(M_MMAP_MAX, 0);
            LIBC.mallopt(M_TRIM_THRESHOLD, Integer.MAX_VALUE);
            LIBC.mallopt(M_TOP_PAD, TOP_PAD);
        }
    }

    /** Returns all pages that {@code malloc} holds and nobody uses to the system. Without effect where glibc is absent. */
    public static void trim() {
        if (LIBC != null) {
            LIBC.malloc_trim(0);
        }
    }

    private static @Nullable GlibC load() {
        if (!Platform.isLinux()) {
            return null;
        }
        try {
            GlibC libc = Native.load("c", GlibC.class);
            libc.mallinfo2();
            return libc;
        } catch (UnsatisfiedLinkError e) {
            return null;
        }
    }

    /** The largest number of native bytes seen in use. */
    public static final class Peak implements AutoCloseable {
        private final long start = inUse().orElse(0);
        private final Thread sampler = new Thread(this::sample, "molae-native-memory");
        private volatile long peak = start;
        private volatile boolean closed;

        private Peak() {
            sampler.setDaemon(true);
            sampler.start();
        }

        private void sample() {
            while (!closed && LIBC != null) {
                peak = Math.max(peak, inUse().orElse(0));
                LockSupport.parkNanos(SAMPLE_NANOS);
            }
        }

        /**
         * The largest figure so far.
         *
         * @return bytes in use at the peak, or empty where glibc is absent
         */
        public OptionalLong bytes() {
            if (closed) {
                return LIBC == null ? OptionalLong.empty() : OptionalLong.of(peak);
            }
            OptionalLong now = inUse();
            return now.isPresent() ? OptionalLong.of(Math.max(peak, now.getAsLong())) : now;
        }

        /**
         * What was in use when the watch began.
         *
         * @return bytes in use at the start, or empty where glibc is absent
         */
        public OptionalLong startBytes() {
            return inUse().isPresent() ? OptionalLong.of(start) : OptionalLong.empty();
        }

        /** Stops watching. */
        @Override
        public void close() {
            peak = Math.max(peak, inUse().orElse(0));
            closed = true;
            LockSupport.unpark(sampler);
        }
    }

    /** The part of the C library used here. */
    interface GlibC extends Library {
        /** See mallinfo(3). */
        MallInfo2 mallinfo2();

        /** See mallopt(3). */
        int mallopt(int parameter, int value);

        /** See malloc_trim(3). */
        int malloc_trim(long pad);
    }

    /** {@code struct mallinfo2}: ten {@code size_t}. */
    @Structure.FieldOrder({
        "arena",
        "ordblks",
        "smblks",
        "hblks",
        "hblkhd",
        "usmblks",
        "fsmblks",
        "uordblks",
        "fordblks",
        "keepcost"
    })
    public static final class MallInfo2 extends Structure implements Structure.ByValue {
        /** Bytes in arenas. */
        public long arena;
        /** Free chunks. */
        public long ordblks;
        /** Free fast-bin blocks. */
        public long smblks;
        /** Mapped regions. */
        public long hblks;
        /** Bytes in mapped regions. */
        public long hblkhd;
        /** Unused. */
        public long usmblks;
        /** Bytes in free fast-bin blocks. */
        public long fsmblks;
        /** Bytes in use in arenas. */
        public long uordblks;
        /** Free bytes in arenas. */
        public long fordblks;
        /** Bytes that could be returned to the system. */
        public long keepcost;

        /** For JNA, which fills it. */
        public MallInfo2() {}
    }
}
