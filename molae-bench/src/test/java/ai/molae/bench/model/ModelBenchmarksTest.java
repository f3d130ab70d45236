package ai.molae.bench.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.StatedFacts;
import ai.molae.bench.workload.ModelCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.CostModel;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.Precision;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the benchmarks of whole models check and state, not how fast they are. */
class ModelBenchmarksTest {

    private static final ModelCase TINY = new ModelCase(Shape.QWEN3_30B_A3B, Scale.TINY, Variant.MOE);

    @ParameterizedTest
    @CsvSource({
        "QWEN3_30B_A3B, MOE, FLOAT32",
        "QWEN3_30B_A3B, MOLAE, BFLOAT16",
        "DEEPSEEK_V3, MOLAE, INT8",
        "AWKWARD, DENSE, BFLOAT16",
    })
    void aPromptGivesTheLogitsOfTheFloat32Model(Shape shape, Variant variant, Precision precision) {
        ModelPrefill benchmark = new ModelPrefill();
        benchmark.shape = shape;
        benchmark.scale = Scale.TINY;
        benchmark.variant = variant;
        benchmark.precision = precision;
        benchmark.tokens = 32;
        benchmark.open();
        benchmark.beforeIteration();
        float[] first = benchmark.prefill();
        for (int i = 0; i < 8; i++) {
            assertThat(benchmark.prefill()).isNotEqualTo(first);
        }
        assertThat(benchmark.prefill()).as("the first prompt again").isEqualTo(first);
        benchmark.close();

        Map<Metric, Double> facts = StatedFacts.get();
        var cost = CostModel.model(new ModelCase(shape, Scale.TINY, variant).spec());
        assertThat(facts).containsEntry(Metric.TOKENS, 32.0).containsEntry(Metric.PARAMETERS, (double)
                cost.parameters());
        // All positions but the head's, which reads the last: 2 V n FLOPs.
        double head = 2.0 * cost.spec().vocabSize() * cost.spec().hiddenSize();
        double sum = 0;
        for (int position = 1; position <= 32; position++) {
            sum += cost.forwardFlops(position) - head;
        }
        assertThat(facts.get(Metric.FLOPS)).isCloseTo(sum + head, within(1e-9 * sum));
        assertThat(facts.get(Metric.READ_BYTES))
                .isPositive()
                .isLessThanOrEqualTo(
                        facts.get(Metric.WEIGHT_BYTES) + 32 * 4 * cost.spec().hiddenSize());
        assertThat(facts).containsKeys(Metric.ERROR, Metric.BANDWIDTH, Metric.PEAK_FLOPS);
    }

    @ParameterizedTest
    @CsvSource({
        "QWEN3_30B_A3B, MOLAE, FLOAT32, 4",
        "DEEPSEEK_V2_LITE, MOE, BFLOAT16, 1",
        "MIXTRAL_8X7B, MOE, INT8, 4",
    })
    void aTokenBehindAPromptGivesTheLogitsOfTheWholeText(Shape shape, Variant variant, Precision precision, int batch) {
        ModelDecode benchmark = new ModelDecode();
        benchmark.shape = shape;
        benchmark.scale = Scale.TINY;
        benchmark.variant = variant;
        benchmark.precision = precision;
        benchmark.batch = batch;
        benchmark.open();
        float[] first = benchmark.decode();
        for (int i = 0; i < 63; i++) {
            assertThat(benchmark.decode()).hasSameSizeAs(first);
        }
        assertThat(benchmark.decode())
                .as("after all turns, at the same position")
                .isEqualTo(first);
        benchmark.close();

        Map<Metric, Double> facts = StatedFacts.get();
        var cost = CostModel.model(new ModelCase(shape, Scale.TINY, variant).spec());
        assertThat(facts).containsEntry(Metric.TOKENS, (double) batch);
        assertThat(facts.get(Metric.FLOPS)).isEqualTo(batch * cost.forwardFlops(129));
        assertThat(facts.get(Metric.READ_BYTES))
                .isGreaterThan(128.0 * batch * cost.kvCacheBytesPerToken(ai.molae.cost.ElementType.FLOAT32));
    }

    @ParameterizedTest
    @CsvSource({"QWEN3_30B_A3B, MOE, FLOAT32", "OLMOE_1B_7B, MOLAE_EIGHT, BFLOAT16", "DEEPSEEK_V3, MOE, BFLOAT16"})
    void aTrainingStepLearns(Shape shape, Variant variant, Precision precision) {
        ModelTraining benchmark = new ModelTraining();
        benchmark.shape = shape;
        benchmark.scale = Scale.TINY;
        benchmark.variant = variant;
        benchmark.precision = precision;
        benchmark.tokens = 32;
        benchmark.open();
        assertThat(benchmark.step()).isFinite().isPositive();
        benchmark.close();

        Map<Metric, Double> facts = StatedFacts.get();
        var cost = CostModel.model(new ModelCase(shape, Scale.TINY, variant).spec());
        assertThat(facts.get(Metric.FLOPS)).isEqualTo(32 * cost.trainingFlops(32));
        assertThat(facts.get(Metric.EXPECTED_PEAK_BYTES)).isGreaterThan(16.0 * cost.trainableParameters());
        if (NativeMemory.inUse().isPresent()) {
            // Weights, gradients and two moments of four bytes each, and small things that malloc rounds up.
            assertThat(facts.get(Metric.RETAINED_BYTES) / cost.parameters()).isBetween(15.0, 18.0);
        }
    }

    @Test
    void refusesLogitsOfAnotherModel() {
        try (NDManager manager = NDManager.newBaseManager()) {
            CausalLm model = TINY.build(manager, Precision.FLOAT32);
            List<float[]> right = logits(manager, model);
            assertThat(LogitsCheck.check("itself", right, logits(manager, model), Precision.FLOAT32))
                    .isLessThan(1e-5);
            try (NoGrad noGrad = new NoGrad()) {
                // The experts of a layer say nothing.
                model.parametersByPath().get("layers.0.mlp.down").getArray().muli(0);
            }
            for (Precision precision : Precision.values()) {
                assertThatThrownBy(() -> LogitsCheck.check("the model", right, logits(manager, model), precision))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("the logits of the model in " + precision + " differ")
                        .hasMessageContaining("lower quartile of 3 positions");
            }
            List<float[]> broken = logits(manager, TINY.build(manager, Precision.FLOAT32));
            broken.get(1)[7] = Float.NaN;
            assertThatThrownBy(() -> LogitsCheck.check("NaN", right, broken, Precision.INT8))
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    private static List<float[]> logits(NDManager manager, CausalLm model) {
        return List.of(0, 1, 2).stream()
                .map(i -> Decoding.forward(manager, model, TINY.tokens(i, 16), 1, 15))
                .toList();
    }

    @Test
    void refusesStepsThatDoNotLearn() {
        TokenBatch window = new TokenBatch(1, 16, longs(TINY.tokens(0, 16)), longs(TINY.tokens(1, 16)), new long[0]);
        try (NDManager manager = NDManager.newBaseManager();
                TrainingSteps backwards = new TrainingSteps(manager, TINY.build(manager, Precision.FLOAT32), -1e-4)) {
            assertThatThrownBy(() -> ModelTraining.check("the model", backwards, window))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("3 training steps of the model took the loss from");
        }
    }

    @Test
    void refusesALossThatDependsOnTheTape() {
        TokenBatch window = new TokenBatch(1, 16, longs(TINY.tokens(0, 16)), longs(TINY.tokens(1, 16)), new long[0]);
        try (NDManager manager = NDManager.newBaseManager()) {
            CausalLm model = TINY.build(manager, Precision.FLOAT32);
            // With a tape only.
            model.setDropout(0.9);
            try (TrainingSteps steps = new TrainingSteps(manager, model, 1e-4)) {
                assertThatThrownBy(() -> ModelTraining.check("the model", steps, window))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("the same model without a tape");
            }
        }
    }

    private static long[] longs(int[] ids) {
        return Arrays.stream(ids).asLongStream().toArray();
    }
}
