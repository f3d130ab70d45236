package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.ParameterStore;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ValidationLossTest {

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final CausalLm model = SmallRun.model(manager, SmallRun.MOLAE, Precision.FLOAT32);

    private final TrainingData data = masked(SmallRun.validation());

    @AfterEach
    void close() {
        manager.close();
    }

    /** Sequences with different numbers of labels. */
    private static TrainingData masked(TrainingData data) {
        return new TrainingData() {
            @Override
            public long size() {
                return data.size();
            }

            @Override
            public int sequenceLength() {
                return data.sequenceLength();
            }

            @Override
            public TokenBatch shuffled(long position, int count) {
                throw new UnsupportedOperationException("validation is in order");
            }

            @Override
            public TokenBatch inOrder(long first, int count) {
                TokenBatch batch = data.inOrder(first, count);
                for (int row = 0; row < batch.sequences(); row++) {
                    int from = row * sequenceLength();
                    Arrays.fill(
                            batch.labels(),
                            from,
                            from + (int) ((first + row) * 7 % sequenceLength()),
                            TokenBatch.IGNORED);
                }
                return batch;
            }

            @Override
            public String fingerprint() {
                return "masked " + data.fingerprint();
            }
        };
    }

    /** The mean over single labels, computed in Java. */
    private double expected(int sequences) {
        TokenBatch batch = data.inOrder(0, sequences);
        NDList outputs = model.forward(new ParameterStore(manager, false), batch.inputs(manager), false);
        NDArray logProbabilities = outputs.singletonOrThrow().logSoftmax(-1);
        float[] values = logProbabilities.toFloatArray();
        double sum = 0;
        long count = 0;
        for (int i = 0; i < batch.labels().length; i++) {
            if (batch.labels()[i] != TokenBatch.IGNORED) {
                sum -= values[i * SmallRun.VOCAB + (int) batch.labels()[i]];
                count++;
            }
        }
        return sum / count;
    }

    @Test
    void everyLabelCountsAlikeInBatchesOfAnySize() {
        int all = (int) data.size();
        for (int batchSize : new int[] {1, 7, all}) {
            ValidationLoss loss = ValidationLoss.of(model, data, batchSize);
            assertThat(loss.nats()).isCloseTo(expected(all), within(1e-5));
            assertThat(loss.labels()).isEqualTo(data.inOrder(0, all).labelled());
        }
    }

    @Test
    void endsAfterTheSequencesThatAreAskedFor() {
        ValidationLoss loss = ValidationLoss.of(model, data, 2, 5);

        assertThat(loss.nats()).isCloseTo(expected(5), within(1e-5));
        assertThat(loss.labels()).isEqualTo(data.inOrder(0, 5).labelled());
        assertThat(loss.perplexity()).isCloseTo(Math.exp(loss.nats()), within(1e-12));
    }

    @Test
    void takesAModelThatIsPreparedForInference() {
        double before = ValidationLoss.of(model, data, 4, 8).nats();

        model.prepareForInference(Precision.FLOAT32);

        assertThat(ValidationLoss.of(model, data, 4, 8).nats()).isCloseTo(before, within(1e-5));
    }

    @Test
    void refusesToReadNothing() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ValidationLoss.of(model, data, 0))
                .withMessageContaining("got 0 and");
    }
}
