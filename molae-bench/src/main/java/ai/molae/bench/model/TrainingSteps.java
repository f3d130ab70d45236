package ai.molae.bench.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.training.ParameterStore;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.CausalLmLoss;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.train.AdamWSpec;
import ai.molae.djl.train.Optimizer;
import ai.molae.djl.train.Optimizers;

/** Optimizer steps as the trainer makes them, one after the other: cross-entropy and auxiliary losses, gradients clipped to norm 1, AdamW. */
final class TrainingSteps implements AutoCloseable {

    private final NDManager manager;
    private final CausalLm model;
    private final Optimizer optimizer;
    private final double learningRate;
    private long tokens;

    /**
     * Begins to train.
     *
     * @param manager parent of what steps need
     * @param model an initialised model
     * @param learningRate the same for all steps
     */
    TrainingSteps(NDManager manager, CausalLm model, double learningRate) {
        this.manager = manager;
        this.model = model;
        this.learningRate = learningRate;
        optimizer = Optimizers.of(manager, model, AdamWSpec.builder().build());
        optimizer.zeroGradients();
    }

    /**
     * One step.
     *
     * @param batch what to learn
     * @return the cross-entropy before it
     * @throws IllegalStateException if the gradient is not finite
     */
    double step(TokenBatch batch) {
        double loss;
        try (NDManager scope = manager.newSubManager()) {
            NDList inputs = batch.inputs(scope);
            try (GradientTape tape = new GradientTape()) {
                NDList outputs = model.forward(new ParameterStore(scope, false), inputs, true);
                NDArray crossEntropy = CausalLmLoss.crossEntropy(outputs.get(0), batch.labels(scope));
                tape.backward(crossEntropy.add(outputs.get(1)));
                loss = crossEntropy.getFloat();
            }
        }
        tokens += batch.tokens();
        double norm = optimizer.step(learningRate, tokens, 1);
        if (!Double.isFinite(norm) || norm == 0) {
            throw new IllegalStateException("the gradient of a training step has the norm " + norm);
        }
        return loss;
    }

    /**
     * The cross-entropy alone, as inference computes it: without a tape.
     *
     * @param batch what to predict
     * @return nats per token
     */
    double loss(TokenBatch batch) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray logits = model.forward(new ParameterStore(scope, false), batch.inputs(scope), false)
                    .singletonOrThrow();
            return CausalLmLoss.crossEntropy(logits, batch.labels(scope)).getFloat();
        }
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
