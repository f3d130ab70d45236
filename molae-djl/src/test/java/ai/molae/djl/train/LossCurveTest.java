package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** State that is smaller than AdamW's, and lower precision, learn as much. */
class LossCurveTest {

    private static final int STEPS = 150;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    static Stream<OptimizerSpec> smallerOrOther() {
        return Stream.of(
                AdamWSpec.builder().optSecondMoment(SecondMoment.FACTORED).build(),
                AdamWSpec.builder().optSecondMoment(SecondMoment.EIGHT_BIT).build(),
                MuonSpec.builder().build());
    }

    private double validationLoss(OptimizerSpec optimizer, Precision precision) throws IOException {
        SmallRun.Recorder recorder = new SmallRun.Recorder();
        try (LmTrainer trainer = LmTrainer.builder()
                .setModel(SmallRun.model(manager, SmallRun.MOLAE, precision))
                .setData(SmallRun.data())
                .setConfig(SmallRun.config(STEPS).optOptimizer(optimizer).build())
                .optValidation(SmallRun.validation())
                .optListener(recorder)
                .build()) {
            trainer.train();
        }
        return recorder.evaluations.get(0).loss();
    }

    @ParameterizedTest
    @MethodSource("smallerOrOther")
    void endsWhereAdamWDoes(OptimizerSpec optimizer) throws IOException {
        double full = validationLoss(AdamWSpec.builder().build(), Precision.FLOAT32);

        assertThat(full).as("far below the unigram entropy, 2.77").isLessThan(1.2);
        assertThat(validationLoss(optimizer, Precision.FLOAT32)).isCloseTo(full, within(0.02 * full));
    }

    @ParameterizedTest
    @MethodSource("smallerOrOther")
    void endsThereInBfloat16Too(OptimizerSpec optimizer) throws IOException {
        double float32 = validationLoss(optimizer, Precision.FLOAT32);

        assertThat(validationLoss(optimizer, Precision.BFLOAT16)).isCloseTo(float32, within(0.02 * float32));
    }
}
