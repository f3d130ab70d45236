package ai.molae.bench.table;

import ai.molae.djl.torch.Precision;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;

/**
 * How fast a checkpoint was in a test.
 *
 * @param folder the name of its folder
 * @param modelType its {@code model_type}
 * @param weightBytes its weights in this precision, by the cost model
 * @param parameters how many it has
 * @param device where it ran, as DJL names it
 * @param precision the format of the weights
 * @param threads of libtorch
 * @param test what was timed
 * @param samples tokens per second of each repetition, at least one
 */
public record ModelSpeed(
        String folder,
        String modelType,
        long weightBytes,
        long parameters,
        String device,
        Precision precision,
        int threads,
        SpeedTest test,
        List<Double> samples) {

    /**
     * Checks that there are samples.
     *
     * @param folder the name of its folder
     * @param modelType its {@code model_type}
     * @param weightBytes its weights
     * @param parameters how many it has
     * @param device where it ran
     * @param precision the format of the weights
     * @param threads of libtorch
     * @param test what was timed
     * @param samples tokens per second
     */
    public ModelSpeed {
        samples = List.copyOf(samples);
        if (samples.isEmpty()) {
            throw new IllegalArgumentException("a speed needs at least one repetition, got none of " + test);
        }
    }

    /**
     * The mean speed.
     *
     * @return tokens per second
     */
    public double mean() {
        return values().average().orElseThrow();
    }

    /**
     * The standard deviation of a repetition, {@code sqrt(Σ (x − mean)² / (n − 1))}.
     *
     * @return tokens per second; 0 of one repetition, as in llama-bench
     */
    public double standardDeviation() {
        double mean = mean();
        double squares = values().map(x -> (x - mean) * (x - mean)).sum();
        return samples.size() == 1 ? 0 : Math.sqrt(squares / (samples.size() - 1));
    }

    private DoubleStream values() {
        return Arrays.stream(samples.stream().mapToDouble(Double::doubleValue).toArray());
    }
}
