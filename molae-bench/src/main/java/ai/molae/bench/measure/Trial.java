package ai.molae.bench.measure;

import ai.molae.djl.torch.NativeMemory;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What the benchmark of this process has to say beside its time. A state fills it while it is set up, {@link TrialProfiler} passes it on with
 * every iteration. One process runs one trial, hence static; JMH gives states and profilers no other way to meet.
 */
public final class Trial {

    private static final Map<Metric, Double> FACTS = new EnumMap<>(Metric.class);
    private static Supplier<Map<Metric, Double>> betweenIterations = Map::of;
    private static long nativeBaseline;
    private static NativeMemory.@Nullable Peak watch;

    private Trial() {}

    /**
     * Begins a trial: forgets what was, and takes the memory in use now for what is not the benchmark's. Call it when the engine is loaded and warm,
     * before anything is built.
     */
    public static synchronized void begin() {
        FACTS.clear();
        betweenIterations = Map::of;
        nativeBaseline = NativeMemory.inUse().orElse(0);
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

    /** States that what is in use now, above what was when the trial began, is retained by what was built. Frees nothing. */
    public static synchronized void built() {
        NativeMemory.inUse().ifPresent(now -> FACTS.put(Metric.RETAINED_BYTES, (double) (now - nativeBaseline)));
    }

    /**
     * Says that some of what was built since the beginning is not of what is measured, such as its inputs. Call it before {@link #built}.
     *
     * @param bytes of native memory that retained and peak bytes leave out
     */
    public static synchronized void leaveOut(long bytes) {
        nativeBaseline += bytes;
    }

    /**
     * Says that set-up is over. JMH sets up within its first iteration, whose peak would otherwise be that of the set-up, where weights may stand in
     * memory twice.
     */
    public static synchronized void ready() {
        if (watch != null) {
            watch();
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
        return ended.bytes().orElse(0);
    }

    /**
     * Names what is to be measured after every iteration, such as the ceilings of the machine, whose speed drifts.
     *
     * @param measurement called after every iteration
     */
    public static synchronized void betweenIterations(Supplier<Map<Metric, Double>> measurement) {
        betweenIterations = measurement;
    }

    /** Ends a trial: measures once more and keeps that, because JMH closes states before it asks profilers for the last time. */
    public static synchronized void end() {
        FACTS.putAll(betweenIterations.get());
        betweenIterations = Map::of;
    }

    static synchronized Map<Metric, Double> facts() {
        Map<Metric, Double> facts = new EnumMap<>(FACTS);
        facts.putAll(betweenIterations.get());
        return facts;
    }

    static synchronized long nativeBaseline() {
        return nativeBaseline;
    }
}
