package ai.molae.bench.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.measure.StatedFacts;
import ai.molae.bench.workload.ModelCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.CostModel;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConversionAndLoadTest {

    @Test
    void aConversionKeepsItsShareOfTheParameters() {
        LayerConversion benchmark = new LayerConversion();
        benchmark.scale = Scale.TINY;
        benchmark.open();
        double error = benchmark.convert();
        benchmark.close();

        Map<Metric, Double> facts = StatedFacts.get();
        assertThat(error).isCloseTo(facts.get(Metric.ERROR), within(1e-3));
        MoeSpec standard = Shape.QWEN3_30B_A3B.standard(Scale.TINY);
        MoeSpec converted = Factoring.uniform(standard, 0.7);
        long all = CostModel.layer(standard).routedExpertParameters();
        long kept = CostModel.layer(converted).routedExpertParameters();
        assertThat(facts).containsEntry(Metric.PARAMETERS, (double)
                CostModel.layer(converted).parameters());
        assertThat(kept).isLessThanOrEqualTo((long) (0.7 * all));
        // One more latent dimension of three operators: n and, of each expert, m.
        assertThat(kept + 3L * (standard.hiddenSize() + standard.numExperts() * standard.intermediateSize()))
                .isGreaterThan((long) (0.7 * all));
        // Random matrices have nothing in common: of n directions those r that have most are kept.
        double r = converted
                .latent()
                .orElseThrow()
                .latentSizes()
                .values()
                .iterator()
                .next();
        double withoutChoice = Math.sqrt(1 - r / standard.hiddenSize());
        assertThat(error).isBetween(0.8 * withoutChoice, withoutChoice);
    }

    @Test
    void refusesAShareThatLeavesNothing() {
        MoeSpec standard = Shape.QWEN3_30B_A3B.standard(Scale.TINY);
        assertThatThrownBy(() -> Factoring.uniform(standard, 0.001))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("0.001");
    }

    @ParameterizedTest
    @CsvSource({"MOE, FLOAT32", "MOLAE, BFLOAT16", "MOE, INT8"})
    void aLoadedCheckpointHasTheLogitsOfItsFloat32Model(Variant variant, Precision precision) throws IOException {
        CheckpointLoad benchmark = new CheckpointLoad();
        benchmark.scale = Scale.TINY;
        benchmark.variant = variant;
        benchmark.precision = precision;
        benchmark.open();
        assertThat(benchmark.load()).isEqualTo(3);
        benchmark.close();

        Map<Metric, Double> facts = StatedFacts.get();
        long parameters = CostModel.model(new ModelCase(Shape.QWEN3_30B_A3B, Scale.TINY, variant).spec())
                .parameters();
        assertThat(facts).containsEntry(Metric.PARAMETERS, (double) parameters);
        assertThat(facts.get(Metric.READ_BYTES)).as("bfloat16").isEqualTo(2.0 * parameters);
    }
}
