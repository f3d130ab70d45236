package ai.molae.bench.soak;

import ai.molae.bench.measure.ProcessMemory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.Stream;

/** Something of which a process must not hold more and more. */
enum Gauge {
    /**
     * Bytes in use of {@code malloc}, less those of Java's direct buffers and, under {@code -XX:NativeMemoryTracking=summary}, those of the JVM's own. To be
     * read first, for it collects garbage.
     */
    NATIVE("native memory in use", Kind.MEMORY, 64 << 10, 0.0025),
    /** Bytes of Java objects after a collection. */
    HEAP("Java heap after collection", Kind.MEMORY, 128 << 10, 0.01),
    /** Resident pages: those of the heap, of freed memory that {@code malloc} keeps, and of compiled code as well. */
    RESIDENT("resident set", Kind.MEMORY, 4 << 20, 0.02),
    /** Bytes of Java's direct buffers. */
    DIRECT("direct buffers", Kind.MEMORY, 64 << 10, 0.01),
    /** Live threads of Java. */
    JAVA_THREADS("Java threads", Kind.PIECES, 0.5, 0),
    /** All threads, those of the JVM, which come and go with its work, and of libtorch as well. */
    NATIVE_THREADS("native threads", Kind.PIECES, 1.5, 0),
    /** Open files, sockets and pipes. */
    FILES("open files", Kind.PIECES, 0.5, 0),
    /** Bytes of the files in the folder of the work. */
    DISK("disk used in its folder", Kind.FILES, 4 << 10, 0);

    private enum Kind {
        MEMORY,
        PIECES,
        FILES
    }

    private static final Path TASKS = Path.of("/proc/self/task");
    private static final Path OPEN = Path.of("/proc/self/fd");

    private final String title;
    private final Kind kind;
    private final double leastRise;
    private final double leastShare;

    Gauge(String title, Kind kind, double leastRise, double leastShare) {
        this.title = title;
        this.kind = kind;
        this.leastRise = leastRise;
        this.leastShare = leastShare;
    }

    /** Its name for people. */
    String title() {
        return title;
    }

    /** Whether it is in bytes, not in pieces. */
    boolean isBytes() {
        return kind != Kind.PIECES;
    }

    /** Whether equal states give equal readings; memory depends on more than the program's doings. */
    boolean isCounted() {
        return kind != Kind.MEMORY;
    }

    /**
     * The largest rise over the judged half of a run that counts as none.
     *
     * @param level the usual value
     */
    double tolerance(double level) {
        return Math.max(leastRise, leastShare * level);
    }

    /**
     * Reads it; after a garbage collection, where that matters.
     *
     * @param folder of the work
     * @return the value, or NaN where the system does not tell
     */
    double read(Path folder) {
        return switch (this) {
            case NATIVE -> nativeBytes();
            case HEAP -> ManagementFactory.getMemoryMXBean()
                    .getHeapMemoryUsage()
                    .getUsed();
            case RESIDENT -> orNan(ProcessMemory.resident());
            case DIRECT -> directBytes();
            case JAVA_THREADS -> ManagementFactory.getThreadMXBean().getThreadCount();
            case NATIVE_THREADS -> entries(TASKS);
            case FILES -> entries(OPEN);
            case DISK -> size(folder);
        };
    }

    private static double nativeBytes() {
        ProcessMemory.settled();
        return orNan(ProcessMemory.inUse()) - directBytes();
    }

    private static double directBytes() {
        List<BufferPoolMXBean> pools = ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class);
        return pools.stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToDouble(BufferPoolMXBean::getMemoryUsed)
                .findFirst()
                .orElse(Double.NaN);
    }

    private static double entries(Path folder) {
        if (!Files.isDirectory(folder)) {
            return Double.NaN; // not Linux
        }
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static double size(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            double bytes = 0;
            for (Path file : (Iterable<Path>) files::iterator) {
                bytes += sizeIfThere(file);
            }
            return bytes;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static long sizeIfThere(Path file) throws IOException {
        try {
            return Files.isRegularFile(file) ? Files.size(file) : 0;
        } catch (NoSuchFileException e) {
            return 0; // deleted meanwhile
        }
    }

    private static double orNan(OptionalLong value) {
        return value.isPresent() ? value.getAsLong() : Double.NaN;
    }
}
