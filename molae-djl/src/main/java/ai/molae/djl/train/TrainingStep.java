package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.molae.djl.data.TokenBatch;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.CausalLmLoss;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.djl.lm.DistillationLoss;
import ai.molae.djl.moe.CorrectionBias;
import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.moe.RouterMonitor;
import ai.molae.djl.torch.GradientTape;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** One optimizer step: the gradients of all its passes, the update, the correction biases. */
final class TrainingStep {

    private final NDManager manager;
    private final CausalLm model;
    private final TrainingConfig config;
    private final Optional<Teacher> teacher;
    private final Optimizer optimizer;

    TrainingStep(
            NDManager manager, CausalLm model, TrainingConfig config, Optional<Teacher> teacher, Optimizer optimizer) {
        this.manager = manager;
        this.model = model;
        this.config = config;
        this.teacher = teacher;
        this.optimizer = optimizer;
    }

    /** What a step did; see {@link LmTrainingListener.Step}. */
    record Result(
            double loss,
            double auxLoss,
            double gradientNorm,
            double learningRate,
            long labels,
            long tokens,
            List<LayerRouting> routing) {}

    /** Sums over the passes of a step. With a teacher the first is what {@link DistillationLoss} makes of both. */
    private record Losses(double loss, double aux) {
        Losses plus(Losses other) {
            return new Losses(loss + other.loss, aux + other.aux);
        }
    }

    /**
     * Makes a step.
     *
     * @param passes what is read, pass by pass
     * @param state where the run is before it
     * @return what it did
     * @throws TrainingDivergedException if the loss or the gradient is not finite; parameters and optimizer are as before
     */
    Result make(List<TokenBatch> passes, TrainingState state) {
        long labels = passes.stream().mapToLong(TokenBatch::labelled).sum();
        long tokens = passes.stream().mapToLong(TokenBatch::tokens).sum();
        long tokensAfter = state.tokens() + tokens;
        double learningRate = config.schedule().at(tokensAfter);
        Losses losses = new Losses(0, 0);
        try (RouterMonitor monitor = new RouterMonitor()) {
            for (int pass = 0; pass < passes.size(); pass++) {
                // What is random in a pass depends on its place in the run alone, not on what was drawn before.
                model.setDropoutSeed((config.seed() * 1_000_003 + state.step()) * 65_537 + pass);
                losses = losses.plus(pass(passes.get(pass), labels, tokens));
            }
            boolean finite = Double.isFinite(losses.loss()) && Double.isFinite(losses.aux());
            double norm = finite ? optimizer.step(learningRate, tokensAfter, config.maxGradientNorm()) : Double.NaN;
            checkFinite(losses, norm, state.step());
            if (config.biasUpdateSpeed() > 0) {
                CorrectionBias.update(layersWhoseRouterTrains(), monitor, config.biasUpdateSpeed());
            }
            return new Result(
                    losses.loss(), losses.aux(), norm, learningRate, labels, tokens, monitor.layers(model.layers()));
        }
    }

    /** Adds the gradients of a pass; its losses are its shares of those of the step. */
    private Losses pass(TokenBatch batch, long labels, long tokens) {
        double labelShare = labels == 0 ? 0 : (double) batch.labelled() / labels;
        double tokenShare = tokens == 0 ? 0 : (double) batch.tokens() / tokens;
        try (NDManager scope = manager.newSubManager()) {
            NDList inputs = batch.inputs(scope);
            // First the teacher: what the model keeps for its backward pass is not there yet.
            Optional<NDArray> taught = teacher.map(known -> known.logits(scope, inputs));
            try (GradientTape tape = new GradientTape()) {
                NDList outputs = model.forward(new ParameterStore(scope, false), inputs, true);
                DistillationLoss.Value value = loss(outputs.get(0), taught, batch.labels(scope));
                NDArray aux = outputs.get(1);
                // Arrays, not Java numbers: DJL frees the scalar it makes of one before backward has read it.
                NDArray weighed = value.surrogate()
                        .mul(scope.full(new Shape(), (float) labelShare))
                        .add(aux.mul(scope.full(new Shape(), (float) tokenShare)));
                tape.backward(weighed);
                return new Losses(value.loss().getFloat() * labelShare, aux.getFloat() * tokenShare);
            }
        }
    }

    private DistillationLoss.Value loss(NDArray logits, Optional<NDArray> taught, NDArray labels) {
        if (taught.isEmpty()) {
            NDArray crossEntropy = CausalLmLoss.crossEntropy(logits, labels);
            return new DistillationLoss.Value(crossEntropy, crossEntropy);
        }
        // Autograd holds the gradient that the teacher's logits have become for as long as it needs it.
        try (NDArray theirs = taught.get()) {
            return teacher.orElseThrow().loss().evaluate(logits, theirs, labels);
        }
    }

    private List<DecoderLayer> layersWhoseRouterTrains() {
        return model.layers().stream()
                .filter(layer -> layer.feedForward() instanceof MoeBlock moe
                        && moe.getDirectParameters().get("router").requiresGradient())
                .toList();
    }

    private void checkFinite(Losses losses, double norm, long stepsDone) {
        if (!Double.isFinite(losses.loss()) || !Double.isFinite(losses.aux()) || !Double.isFinite(norm)) {
            throw new TrainingDivergedException(
                    stepsDone + 1,
                    "training diverged at step " + (stepsDone + 1) + ": loss " + losses.loss()
                            + ", auxiliary loss " + losses.aux() + ", gradient norm " + norm
                            + "; the first tensor that is not finite is " + firstNonFinite()
                            + "; the parameters are those of step " + stepsDone);
        }
    }

    private String firstNonFinite() {
        Map<String, Parameter> parameters = model.parametersByPath();
        return NonFinite.firstParameter(parameters)
                .map(path -> "the parameter " + path)
                .or(() -> NonFinite.firstGradient(parameters).map(path -> "the gradient of " + path))
                .orElse("none of the parameters and gradients");
    }
}
