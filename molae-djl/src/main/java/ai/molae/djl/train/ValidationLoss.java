package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.ParameterStore;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.CausalLmLoss;

/**
 * How well a model predicts text:
 *
 * <pre>
 *   nats = Σ_labels ( logsumexp(logits) − logits[label] ) / labels          over the labels that are not -100
 * </pre>
 *
 * @param nats mean cross-entropy in nats per label, without auxiliary losses; 0 without any label
 * @param labels how many labels there were
 */
public record ValidationLoss(double nats, long labels) {

    /**
     * Measures a model on all of some data.
     *
     * @param model an initialised model, or one prepared for inference; not changed
     * @param data what it reads and what it should predict
     * @param batchSize sequences read at once, which changes the result by rounding only, unless experts have a capacity
     * @return the loss
     * @throws IllegalArgumentException if the batch size is not positive
     */
    public static ValidationLoss of(CausalLm model, TrainingData data, int batchSize) {
        return of(model, data, batchSize, Long.MAX_VALUE);
    }

    /**
     * Measures a model on the beginning of some data.
     *
     * @param model an initialised model, or one prepared for inference; not changed
     * @param data what it reads and what it should predict
     * @param batchSize sequences read at once, which changes the result by rounding only, unless experts have a capacity
     * @param sequences the most sequences to read
     * @return the loss
     * @throws IllegalArgumentException if the batch size or the number of sequences is not positive
     */
    public static ValidationLoss of(CausalLm model, TrainingData data, int batchSize, long sequences) {
        if (batchSize < 1 || sequences < 1) {
            throw new IllegalArgumentException(
                    "batch size and number of sequences must be positive, got " + batchSize + " and " + sequences);
        }
        long all = Math.min(data.size(), sequences);
        double sum = 0;
        long labels = 0;
        try (NDManager manager = NDManager.newBaseManager(model.device(), "PyTorch")) {
            for (long first = 0; first < all; first += batchSize) {
                TokenBatch batch = data.inOrder(first, (int) Math.min(batchSize, all - first));
                try (NDManager scope = manager.newSubManager()) {
                    NDList outputs = model.forward(new ParameterStore(scope, false), batch.inputs(scope), false);
                    NDArray loss = CausalLmLoss.crossEntropy(outputs.get(0), batch.labels(scope));
                    sum += batch.labelled() * (double) loss.getFloat();
                    labels += batch.labelled();
                }
            }
        }
        return new ValidationLoss(labels == 0 ? 0 : sum / labels, labels);
    }

    /**
     * Among how many equally probable tokens a model of this loss could as well choose.
     *
     * @return {@code e^nats}
     */
    public double perplexity() {
        return Math.exp(nats);
    }
}
