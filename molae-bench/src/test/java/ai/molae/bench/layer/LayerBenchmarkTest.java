package ai.molae.bench.layer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.TrialProfiler;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/** What a benchmark reports, not how fast anything was. */
class LayerBenchmarkTest {

    /** Another benchmark on this machine does not disturb what is not timed. */
    @BeforeAll
    static void ignoreJmhsLock() {
        System.setProperty("jmh.ignoreLock", "true");
    }

    @Test
    void trainingReportsEveryMetricOfALayerThroughJmh() throws RunnerException {
        RunResult run = new Runner(new OptionsBuilder()
                        .include(LayerTraining.class.getName() + ".step")
                        .param("scale", "TINY")
                        .param("shape", "PAPER")
                        .param("variant", "MOLAE")
                        .param("precision", "FLOAT32")
                        .param("activations", "KEEP_DISTINCT")
                        .param("tokens", "256")
                        .addProfiler(TrialProfiler.class)
                        .warmupIterations(2)
                        .warmupTime(TimeValue.milliseconds(50))
                        .measurementIterations(1)
                        .measurementTime(TimeValue.milliseconds(20))
                        .forks(0)
                        .shouldFailOnError(true)
                        .build())
                .runSingle();
        @SuppressWarnings("rawtypes") // JMH's
        Map<String, Result> secondary = run.getSecondaryResults();
        assertThat(secondary)
                .containsKeys(
                        Metric.TOKENS.key(),
                        Metric.FLOPS.key(),
                        Metric.PARAMETERS.key(),
                        Metric.WEIGHT_BYTES.key(),
                        Metric.READ_BYTES.key(),
                        Metric.RETAINED_BYTES.key(),
                        Metric.PEAK_BYTES.key(),
                        Metric.EXPECTED_PEAK_BYTES.key(),
                        Metric.PEAK_FLOPS.key(),
                        Metric.BANDWIDTH.key(),
                        Metric.ERROR.key());
        assertThat(secondary.get(Metric.ERROR.key()).getScore()).isLessThan(1e-5);
        // Three passes over 256 tokens, one multiply-add for each parameter in use.
        assertThat(secondary.get(Metric.FLOPS.key()).getScore())
                .isLessThan(6 * 256 * secondary.get(Metric.PARAMETERS.key()).getScore());
    }
}
