package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.CausalLmLoss;
import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.torch.GradientTape;
import ai.molae.route.LoadStatistics;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.IntStream;

/**
 * Trains a {@link CausalLm} on sequences of tokens: AdamW, global gradient clipping, gradient accumulation, evaluation every so many
 * steps. The loss is the mean cross-entropy plus the auxiliary losses of the MoE layers.
 *
 * <p>The same model, data, configuration and machine give the same losses. The arrays of a step live in a sub-manager that closes with the
 * step, so native memory stays flat. DJL allows one gradient collector per process, hence one trainer at a time.
 *
 * <pre>{@code
 * try (LmTrainer trainer = new LmTrainer(manager, model, config)) {
 *     trainer.train(trainWindows, validationWindows, listener);
 * }
 * }</pre>
 */
public final class LmTrainer implements AutoCloseable {

    private final NDManager manager;
    private final CausalLm model;
    private final TrainingConfig config;
    private final AdamW optimizer;
    private final List<MoeSpec> moeLayers;
    private volatile boolean stopped;

    /**
     * A trainer of an initialised model.
     *
     * @param manager parent of the managers that own the optimizer's state and each step's arrays; its device holds the batches
     * @param model the model; its parameters are changed in place
     * @param config how to train
     */
    public LmTrainer(NDManager manager, CausalLm model, TrainingConfig config) {
        this.manager = manager.newSubManager();
        this.model = model;
        this.config = config;
        this.optimizer =
                new AdamW(this.manager, model, config.beta1(), config.beta2(), config.epsilon(), config.weightDecay());
        this.moeLayers = model.spec().feedForwards().stream()
                .filter(MoeSpec.class::isInstance)
                .map(MoeSpec.class::cast)
                .toList();
    }

    /**
     * Trains until all steps are done, then evaluates once more. After {@link #stop()} it returns without that last evaluation.
     *
     * @param train sequences to train on
     * @param validation sequences to evaluate on
     * @param listener told of every step and evaluation
     * @throws IllegalStateException if the loss or the gradient becomes NaN or infinite; the message names the step, whose update is
     *     not made
     */
    public void train(TrainingData train, TrainingData validation, LmTrainingListener listener) {
        long nanos = 0;
        long tokens = 0;
        long step = 0;
        while (step < config.steps() && !stopped) {
            long start = System.nanoTime();
            double learningRate = config.schedule().at(step);
            StepLoss loss = accumulateGradients(train, step);
            double norm = optimizer.step(learningRate, config.maxGradientNorm());
            step++;
            tokens += loss.tokens;
            nanos += System.nanoTime() - start;
            if (!Double.isFinite(loss.loss) || !Double.isFinite(norm)) {
                throw new IllegalStateException("training diverged at step " + step + ": loss " + loss.loss
                        + ", gradient norm " + norm + "; lower the learning rate or lengthen the warm-up");
            }
            listener.onStep(new LmTrainingListener.Step(
                    step,
                    config.steps(),
                    loss.loss,
                    loss.auxLoss,
                    norm,
                    learningRate,
                    tokens,
                    loss.tokens,
                    (System.nanoTime() - start) * 1e-9,
                    nanos * 1e-9,
                    Double.NaN,
                    OptionalLong.empty(),
                    loss.routing()));
            boolean due = config.evaluateEvery() > 0 && step % config.evaluateEvery() == 0;
            if ((due || step == config.steps()) && !stopped) {
                listener.onEvaluation(evaluate(validation, step));
            }
        }
    }

    /** Makes {@link #train} end after the step it is in. May be called from any thread. */
    public void stop() {
        stopped = true;
    }

    private StepLoss accumulateGradients(TrainingData train, long step) {
        StepLoss total = new StepLoss();
        int passes = config.gradientAccumulation();
        for (int pass = 0; pass < passes; pass++) {
            try (NDManager scope = manager.newSubManager();
                    GradientTape tape = new GradientTape()) {
                long position = (step * passes + pass) * config.batchSize();
                TokenBatch batch = train.shuffled(position, config.batchSize());
                NDArray labels = batch.labels(scope);
                // An array, not a Java number: DJL frees the scalar it makes of one before backward has read it.
                NDArray share = scope.full(new Shape(), 1f / passes);
                NDList outputs = model.forward(new ParameterStore(scope, false), batch.inputs(scope), true);
                NDArray crossEntropy = CausalLmLoss.crossEntropy(outputs.get(0), labels);
                tape.backward(crossEntropy.add(outputs.get(1)).mul(share));
                total.loss += crossEntropy.getFloat() / passes;
                total.auxLoss += outputs.get(1).getFloat() / passes;
                total.tokens += batch.tokens();
                total.add(outputs.subNDList(2), (int) batch.tokens());
            }
        }
        return total;
    }

    /**
     * The mean cross-entropy of validation sequences, in the order of the data.
     *
     * @param validation the sequences; the configuration says how many of them
     * @param step optimizer steps done before, for the result
     * @return what it found
     */
    public LmTrainingListener.Evaluation evaluate(TrainingData validation, long step) {
        long sequences = config.evaluationBatches() == 0
                ? validation.size()
                : Math.min(validation.size(), (long) config.evaluationBatches() * config.batchSize());
        double sum = 0;
        long tokens = 0;
        for (long first = 0; first < sequences; first += config.batchSize()) {
            try (NDManager scope = manager.newSubManager()) {
                TokenBatch batch = validation.inOrder(first, (int) Math.min(config.batchSize(), sequences - first));
                NDList outputs = model.forward(new ParameterStore(scope, false), batch.inputs(scope), false);
                long count = batch.labelled();
                sum += count
                        * (double) CausalLmLoss.crossEntropy(outputs.get(0), batch.labels(scope))
                                .getFloat();
                tokens += count;
            }
        }
        return new LmTrainingListener.Evaluation(step, sum / tokens, tokens);
    }

    /** Frees the optimizer's state. The model stays. */
    @Override
    public void close() {
        optimizer.close();
        manager.close();
    }

    /** Sums over the passes of a step. */
    private final class StepLoss {
        private final List<LoadStatistics> loads = new ArrayList<>();
        private double loss;
        private double auxLoss;
        private long tokens;

        private void add(NDList counts, int passTokens) {
            for (int i = 0; i < counts.size(); i++) {
                LoadStatistics pass = LoadStatistics.of(
                        counts.get(i).toLongArray(), moeLayers.get(i).capacity(passTokens));
                if (loads.size() == i) {
                    loads.add(pass);
                } else {
                    loads.set(i, loads.get(i).plus(pass));
                }
            }
        }

        private List<LayerRouting> routing() {
            return IntStream.range(0, loads.size())
                    .mapToObj(i -> new LayerRouting(i, loads.get(i), Double.NaN, Double.NaN, Double.NaN))
                    .toList();
        }
    }
}
