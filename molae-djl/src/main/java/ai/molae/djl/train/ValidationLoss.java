package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.ParameterStore;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.CausalLmLoss;

/** The mean cross-entropy of held-out data: {@code Σ_labels cross-entropy / labels}, over their sequences in order. */
final class ValidationLoss {

    private ValidationLoss() {}

    /** Of the first so many batches; 0 for all. The arrays of a batch are closed with it. */
    static LmTrainingListener.Evaluation of(
            CausalLm model, TrainingData held, int batchSize, int batches, NDManager manager, long step) {
        long sequences = batches == 0 ? held.size() : Math.min(held.size(), (long) batches * batchSize);
        double sum = 0;
        long labels = 0;
        for (long first = 0; first < sequences; first += batchSize) {
            TokenBatch batch = held.inOrder(first, (int) Math.min(batchSize, sequences - first));
            try (NDManager scope = manager.newSubManager()) {
                NDList outputs = model.forward(new ParameterStore(scope, false), batch.inputs(scope), false);
                NDArray loss = CausalLmLoss.crossEntropy(outputs.get(0), batch.labels(scope));
                sum += batch.labelled() * (double) loss.getFloat();
                labels += batch.labelled();
            }
        }
        return new LmTrainingListener.Evaluation(step, labels == 0 ? 0 : sum / labels, labels);
    }
}
