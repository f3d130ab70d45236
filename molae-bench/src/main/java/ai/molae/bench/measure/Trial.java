package ai.molae.bench.measure;

import ai.molae.djl.torch.NativeMemory;
import java.lang.management.ManagementFactory;
import java.util.EnumMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What the benchmark of this process has to say beside its time. A state fills it while it is set up, {@link TrialProfiler} passes it on with
 * every iteration. One process runs one trial, hence static; JMH gives states and profilers no other way to meet.
 *
 * <p>The order of a set-up: warm the engine with a small case and close that, build what measures, {@link #begin()}, build the inputs and what is to
 * be measured, {@link #notCounted}, {@link #built()}, facts, {@link #ready()}; in the end {@link #end()}, close what was built, {@link #closed()}.
 */
public final class Trial {

    private static final Map<Metric, Double> FACTS = new EnumMap<>(Metric.class);
    private static long nativeBaseline;
    private static OptionalLong residentBaseline = OptionalLong.empty();
    private static long notCounted;
    private static boolean residentPeakIsNew;
    private static long heapBefore;
    private static long heapOfIteration;
    private static OptionalLong atEnd = OptionalLong.empty();
    private static NativeMemory.@Nullable Peak watch;

    private Trial() {}

    /**
     * Begins a trial: forgets what was, and takes the memory in use now for what is not the benchmark's. Call it when the engine is loaded and warm
     * (its TorchScript, its choice of kernels), before anything is built. Runs the garbage collector and returns free pages to the system.
     */
    public static synchronized void begin() {
        FACTS.clear();
        notCounted = 0;
        residentPeakIsNew = false;
        atEnd = OptionalLong.empty();
        nativeBaseline = ProcessMemory.settled().orElse(0);
        NativeMemory.trim();
        residentBaseline = ProcessMemory.resident();
    }

    /**
     * Takes bytes for the benchmark's own, such as its inputs, though they were made after {@link #begin()}. Call it before {@link #built()}.
     *
     * @param bytes how many, more than what was said before
     */
    public static synchronized void notCounted(long bytes) {
        notCounted += bytes;
    }

    /**
     * States a fact.
     *
     * @param metric what
     * @param value how much
     */
    public static synchronized void put(Metric metric, double value) {
        FACTS.put(metric, value);
    }

    /**
     * Takes what is in use now, above what was when the trial began, for what was built and is retained: weights in the layout of the kernel that
     * will multiply them, with its padding. Without {@link #notCounted} bytes, and without whatever the garbage collector frees, which it is asked to do. Not with
     * the JVM's memory. Libraries' own first uses are still in it, some megabytes; {@link #closed()} is free of them.
     */
    public static synchronized void built() {
        ProcessMemory.settled()
                .ifPresent(now -> FACTS.put(Metric.RETAINED_BYTES, (double) (now - nativeBaseline - notCounted)));
    }

    /**
     * Says that what was built is closed, after {@link #end()}. What that freed, or what was there at {@link #built()}, whichever is less, is stated as
     * {@link Metric#RETAINED_BYTES}, because everything else that comes and goes in a process adds to both.
     */
    public static synchronized void closed() {
        OptionalLong now = ProcessMemory.settled();
        if (atEnd.isPresent() && now.isPresent()) {
            double freed = (double) (atEnd.getAsLong() - now.getAsLong() - notCounted);
            FACTS.merge(Metric.RETAINED_BYTES, freed, Math::min);
        }
    }

    /**
     * Says that set-up is over. JMH sets up within its first iteration, whose peak would otherwise be that of the set-up, where weights may stand in memory
     * twice.
     */
    public static synchronized void ready() {
        if (watch != null) {
            // What checks read into Java lies in native buffers until they are collected, and would be counted.
            ProcessMemory.settled();
            watch();
        }
        if (residentPeakIsNew) {
            beginResidentPeak(true);
        }
    }

    /** Watches the peak of native memory from here on. */
    static synchronized void watch() {
        watched();
        watch = NativeMemory.watchPeak();
    }

    /** Ends watching. Returns the peak in bytes, 0 if nothing was watched. */
    static synchronized long watched() {
        NativeMemory.Peak ended = watch;
        if (ended == null) {
            return 0;
        }
        ended.close();
        watch = null;
        return Math.max(0, ended.bytes().orElse(0) - JvmMemory.allocated()) + ProcessMemory.onGpus();
    }

    /**
     * Looks at the machine before an iteration, and leaves no trace in what is measured of the iteration. Call it from the benchmark's own thread, in the set-up of an
     * iteration: libtorch keeps a team of threads for every thread that calls it, and as soon as there are more of them than processors, OpenMP lets them sleep
     * instead of spin, which takes a third more time.
     *
     * @param ceilings measures them here and now
     */
    public static synchronized void measure(Supplier<Map<Metric, Double>> ceilings) {
        FACTS.putAll(ceilings.get());
        if (watch != null) {
            watch();
        }
        if (residentPeakIsNew) {
            beginResidentPeak(true);
        }
        heapBefore = allocatedOnHeap();
    }

    /** Says that an iteration is over. Call it from the benchmark's own thread. */
    public static synchronized void iterated() {
        heapOfIteration = allocatedOnHeap() - heapBefore;
    }

    /** Bytes that the benchmark's thread allocated in the iteration. */
    static synchronized long heapOfIteration() {
        return heapOfIteration;
    }

    private static long allocatedOnHeap() {
        return ManagementFactory.getThreadMXBean() instanceof com.sun.management.ThreadMXBean threads
                ? threads.getCurrentThreadAllocatedBytes()
                : 0;
    }

    /** Ends a trial: takes what is in use before anything is closed. JMH closes states before it asks profilers for the last time. */
    public static synchronized void end() {
        putResidentPeak();
        residentPeakIsNew = false;
        atEnd = ProcessMemory.settled();
    }

    static synchronized Map<Metric, Double> facts() {
        return new EnumMap<>(FACTS);
    }

    /** The most native bytes that were in use. */
    static synchronized void putPeak(long bytes) {
        FACTS.put(Metric.PEAK_BYTES, (double) (bytes - nativeBaseline - notCounted));
    }

    /** Lets the peak of resident memory begin anew, if it matters from now on. */
    static synchronized void beginResidentPeak(boolean measured) {
        residentPeakIsNew = measured && ProcessMemory.resetResidentPeak();
    }

    /** To be called before anything is measured between iterations, which would count as the benchmark's. */
    static synchronized void putResidentPeak() {
        OptionalLong peak = residentPeakIsNew ? ProcessMemory.residentPeak() : OptionalLong.empty();
        if (peak.isPresent() && residentBaseline.isPresent()) {
            FACTS.put(Metric.RESIDENT_PEAK_BYTES, (double)
                    (peak.getAsLong() - residentBaseline.getAsLong() - notCounted));
        }
    }

    /** Native bytes in use at the end, before the benchmark closed anything; empty before the end. */
    static synchronized OptionalLong inUseAtEnd() {
        return atEnd;
    }
}
