package ai.molae.bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;

/**
 * Times several contestants side by side: every round runs each once, so that a machine whose speed drifts is unfair to none, and the
 * median over the rounds counts.
 */
final class Contest {

    /** Worker threads of one contestant may spin for a while after its run. */
    private static final long PAUSE_NANOS = 2_000_000;

    /** So long every contestant runs before the first round, for the JVM's compiler and oneDNN's. */
    private static final long WARM_UP_NANOS = 1_500_000_000;

    private final int callsPerTurn;
    private final Map<String, IntConsumer> contestants = new LinkedHashMap<>();

    /**
     * A contest.
     *
     * @param callsPerTurn how often a contestant runs in a turn, of which the mean counts; more than 1 for calls that are short
     */
    Contest(int callsPerTurn) {
        this.callsPerTurn = callsPerTurn;
    }

    /**
     * Adds a contestant.
     *
     * @param name its name in the results
     * @param run what is timed; receives the number of the call, to choose an input by
     */
    void add(String name, IntConsumer run) {
        contestants.put(name, run);
    }

    /**
     * Runs all.
     *
     * @param rounds rounds that count
     * @return median milliseconds per call, by name
     */
    Map<String, Double> medianMillis(int rounds) {
        Map<String, double[]> times = new LinkedHashMap<>();
        contestants.forEach((name, run) -> {
            times.put(name, new double[rounds]);
            long start = System.nanoTime();
            for (int call = 0; call < 3 || System.nanoTime() - start < WARM_UP_NANOS; call++) {
                run.accept(call);
            }
        });
        for (int round = 0; round < rounds; round++) {
            for (Map.Entry<String, IntConsumer> contestant : contestants.entrySet()) {
                IntConsumer run = contestant.getValue();
                long start = System.nanoTime();
                for (int call = 0; call < callsPerTurn; call++) {
                    run.accept(round * callsPerTurn + call);
                }
                Layers.of(times, contestant.getKey())[round] = (System.nanoTime() - start) / 1e6 / callsPerTurn;
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
        Map<String, Double> medians = new LinkedHashMap<>();
        times.forEach((name, values) -> {
            Arrays.sort(values);
            medians.put(name, (values[(rounds - 1) / 2] + values[rounds / 2]) / 2);
        });
        return medians;
    }
}
