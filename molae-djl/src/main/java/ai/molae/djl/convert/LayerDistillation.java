package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.WeightSource;
import ai.molae.djl.train.AdamWSpec;
import ai.molae.djl.train.Optimizer;
import ai.molae.djl.train.Optimizers;
import ai.molae.djl.train.ParameterGroup;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Trains the factors of a MoLAE layer to give the outputs of the standard layer it was made of:
 *
 * <pre>
 *   minimise  Σ ‖y − y'‖² / Σ ‖y‖²      y, y' = outputs of the routed experts of the original and of the factored layer
 * </pre>
 *
 * <p>Adam (β 0.9, 0.95), whose rate for each parameter is {@code learningRate} times its root mean square, with a warm-up of a twentieth of the steps and cosine decay to zero. Only factors
 * train: router, shared expert and operators that are not factored stay as they are, bit by bit; auxiliary losses do not count. A tenth of the chunks of inputs is held out, and the
 * layer gets what did best there, which it never leaves worse than it was. Deterministic for a seed and a number of threads.
 *
 * <p>The factored layer computes in its own precision. Memory: four more arrays of the size of its factors, and the activations of a step. One layer at a time in a process, because of {@link GradientTape}.
 *
 * @param spec steps, tokens of a step, learning rate
 * @param seed decides which chunks are held out and the order of the others
 */
public record LayerDistillation(DistillationSpec spec, long seed) {

    private static final double WARMUP_SHARE = 0.05;
    private static final int EVALUATIONS = 10;

    /**
     * What training did.
     *
     * @param errorBefore {@code sqrt(Σ ‖y − y'‖² / Σ ‖y‖²)} on held-out inputs
     * @param errorAfter the same of what the layer has now; at most that before
     * @param bestStep the step after which it was so; 0 if nothing was gained
     * @param steps optimizer steps made
     * @param seconds how long it took
     */
    public record Result(double errorBefore, double errorAfter, int bestStep, int steps, double seconds) {}

    /**
     * Trains a layer's factors in place.
     *
     * @param original the standard layer, with float32 parameters; stays as it is
     * @param factored the layer made of it, with the same router, float32 parameters
     * @param inputs what the layer reads, at least 2 chunks
     * @return what was gained
     * @throws IllegalArgumentException if the layers do not belong together, there are too few chunks, or inputs are not finite
     * @throws IllegalStateException if a layer is prepared for inference or has adapters, or if outputs or gradients are not finite; the factored layer then has the best state so far
     */
    public Result train(MoeBlock original, MoeBlock factored, LayerInputs inputs) {
        long began = System.nanoTime();
        check(inputs.layer(), original, factored);
        if (factored.spec().latent().isEmpty()) {
            throw new IllegalArgumentException(inputs.layer() + " has no factors to train; convert it first");
        }
        if (inputs.count() < 2) {
            throw new IllegalArgumentException("the distillation of " + inputs.layer()
                    + " needs at least 2 chunks of inputs, one of them held out, got " + inputs.count());
        }
        List<Integer> chunks =
                new ArrayList<>(IntStream.range(0, inputs.count()).boxed().toList());
        Collections.shuffle(chunks, new Random(seed));
        int heldOut = Math.max(1, inputs.count() / 10);
        Pair pair = new Pair(original, factored, inputs, chunks.subList(0, heldOut));
        try (NDManager scope = manager(factored).newSubManager()) {
            return new Run(scope, pair, chunks.subList(heldOut, chunks.size())).train(began);
        }
    }

    /**
     * How far the outputs of two layers are from each other.
     *
     * @param original a layer with float32 parameters
     * @param factored another of the same sizes, with float32 parameters
     * @param inputs what they read
     * @return {@code sqrt(Σ ‖y − y'‖² / Σ ‖y‖²)} of the routed experts; 0 if both give zeros, infinite if only the original does
     * @throws IllegalArgumentException if the layers do not belong together or inputs are not finite
     * @throws IllegalStateException if a layer is prepared for inference or has adapters, or if outputs are not finite
     */
    public static double outputError(MoeBlock original, MoeBlock factored, LayerInputs inputs) {
        check(inputs.layer(), original, factored);
        try (NDManager scope = manager(factored).newSubManager()) {
            Pair pair = new Pair(
                    RoutedExperts.of(scope, original, Set.of()),
                    RoutedExperts.of(scope, factored, Set.of()),
                    inputs,
                    IntStream.range(0, inputs.count()).boxed().toList());
            return pair.errors(scope).relative();
        }
    }

    private static NDManager manager(MoeBlock block) {
        return block.getDirectParameters().get("router").getArray().getManager();
    }

    private static void check(String layer, MoeBlock original, MoeBlock factored) {
        for (MoeBlock block : List.of(original, factored)) {
            if (block.preparedPrecision().isPresent() || !block.isInitialized() || block.numAdapters() > 0) {
                throw new IllegalStateException(
                        "the outputs of " + layer
                                + " are compared with float32 parameters and without adapters; merge adapters, and do not prepare for inference");
            }
        }
        MoeSpec one = RoutedExperts.spec(original.spec()).withoutLatent();
        MoeSpec other = RoutedExperts.spec(factored.spec()).withoutLatent();
        if (!one.equals(other)) {
            throw new IllegalArgumentException(layer + " and its factored form differ in more than factors: "
                    + describe(one) + " and " + describe(other));
        }
    }

    private static String describe(MoeSpec spec) {
        return "hidden size " + spec.hiddenSize() + ", width " + spec.intermediateSize() + ", " + spec.numExperts()
                + " experts, top " + spec.topK() + ", " + spec.activation() + (spec.gated() ? ", gated" : "") + ", "
                + spec.router();
    }

    /** Sums over tokens. */
    private record Errors(double difference, double size) {
        double relative() {
            return difference == 0 ? 0 : Math.sqrt(difference / size);
        }
    }

    /** Two layers and what they are compared by. */
    private record Pair(MoeBlock original, MoeBlock factored, LayerInputs inputs, List<Integer> chunks) {

        static NDArray outputs(MoeBlock block, NDArray x, boolean training) {
            NDArray y = block.forward(new ParameterStore(x.getManager(), false), new NDList(x), training)
                    .head();
            y.attach(x.getManager());
            return y;
        }

        /** The original's outputs, of which no gradient is wanted. */
        NDArray target(NDArray x, String what) {
            try (NoGrad noGrad = new NoGrad()) {
                NDArray y = outputs(original, x, false);
                checkFinite(y, "the original " + inputs.layer(), what);
                return y;
            }
        }

        static void checkFinite(NDArray y, String layer, String what) {
            if (!LayerInputs.isFinite(y)) {
                throw new IllegalStateException("outputs of " + layer + " are not finite for " + what);
            }
        }

        Errors errors(NDManager manager) {
            double difference = 0;
            double size = 0;
            for (int chunk : chunks) {
                try (NoGrad noGrad = new NoGrad();
                        NDManager scope = manager.newSubManager()) {
                    NDArray x = inputs.checked(scope, chunk);
                    String what = "chunk " + chunk;
                    NDArray y = target(x, what);
                    NDArray ours = outputs(factored, x, false);
                    checkFinite(ours, "the factored " + inputs.layer(), what);
                    difference += ours.sub(y).square().sum().getFloat();
                    size += y.square().sum().getFloat();
                }
            }
            return new Errors(difference, size);
        }
    }

    /** Training of a copy of the factors; the layer itself has the best so far. */
    private final class Run {
        private final NDManager scope;
        private final Pair pair;
        private final Map<String, Parameter> best;
        private final Map<String, Parameter> trained;
        private final List<Integer> chunks;

        Run(NDManager scope, Pair blocks, List<Integer> chunks) {
            this.scope = scope;
            this.chunks = chunks;
            Set<String> names = RoutedExperts.factors(blocks.factored().spec());
            pair = new Pair(
                    RoutedExperts.of(scope, blocks.original(), Set.of()),
                    RoutedExperts.of(scope, blocks.factored(), names),
                    blocks.inputs(),
                    blocks.chunks());
            best = RoutedExperts.parameters(blocks.factored(), names);
            trained = RoutedExperts.parameters(pair.factored(), names);
        }

        Result train(long began) {
            Errors before = pair.errors(scope);
            double least = before.relative();
            int bestStep = 0;
            int steps = least > 0 && before.size() > 0 ? spec.steps() : 0;
            int interval = Math.max(1, steps / EVALUATIONS);
            try (Optimizer optimizer = optimizer();
                    ShuffledTokens tokens = new ShuffledTokens(pair.inputs(), chunks, seed + 1)) {
                long heldOutTokens = steps == 0 ? 1 : tokens(pair.chunks());
                double scale = heldOutTokens / (before.size() * spec.tokensPerStep());
                for (int step = 1; step <= steps; step++) {
                    step(step, scale, tokens, optimizer);
                    if (step % interval == 0 || step == steps) {
                        double error = pair.errors(scope).relative();
                        if (error < least) {
                            least = error;
                            bestStep = step;
                            keep();
                        }
                    }
                }
            }
            return new Result(before.relative(), least, bestStep, steps, (System.nanoTime() - began) / 1e9);
        }

        private long tokens(List<Integer> heldOut) {
            long sum = 0;
            for (int chunk : heldOut) {
                try (NDArray x = pair.inputs().checked(scope, chunk)) {
                    sum += x.getShape().get(0);
                }
            }
            return sum;
        }

        private Optimizer optimizer() {
            List<ParameterGroup> groups = new ArrayList<>();
            trained.forEach((name, parameter) -> {
                double rms = rootMeanSquare(parameter.getArray());
                // A factor of zeros stays: there is no scale to be relative to.
                groups.add(new ParameterGroup(name, Math.max(rms, 1e-30), OptionalDouble.of(0), 0));
            });
            AdamWSpec adam =
                    AdamWSpec.builder().optWeightDecay(0).optEpsilon(1e-12).build();
            return Optimizers.of(scope, trained, adam, groups);
        }

        private void step(int step, double scale, ShuffledTokens tokens, Optimizer optimizer) {
            try (NDManager one = scope.newSubManager()) {
                String what = "step " + step;
                NDArray x = tokens.next(one, spec.tokensPerStep());
                NDArray y = pair.target(x, what);
                try (GradientTape tape = new GradientTape()) {
                    NDArray ours = Pair.outputs(pair.factored(), x, true);
                    // An array, not a Java number, whose memory would be freed before backward has read it.
                    NDArray loss = ours.sub(y).square().sum().mul(one.full(new Shape(), (float) scale));
                    tape.backward(loss);
                }
                double norm = optimizer.step(rate(step), 0, 0);
                if (!Double.isFinite(norm)) {
                    throw new IllegalStateException("the distillation of "
                            + pair.inputs().layer()
                            + " diverged: the gradient's norm is " + norm + " in step " + step + " of " + spec.steps()
                            + " at learning rate " + spec.learningRate() + "; use a lower one");
                }
            }
        }

        private double rate(int step) {
            double warmup = Math.max(1, WARMUP_SHARE * spec.steps());
            double decay = 0.5 * (1 + Math.cos(Math.PI * (step - 1) / spec.steps()));
            return spec.learningRate() * Math.min(1, step / warmup) * decay;
        }

        private void keep() {
            trained.forEach((name, parameter) -> WeightSource.assign(
                    parameter.getArray(), Objects.requireNonNull(best.get(name)).getArray(), 0));
        }
    }

    private static double rootMeanSquare(NDArray array) {
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = array.getManager().newSubManager()) {
            NDArray squares = array.square();
            squares.attach(scope);
            NDArray mean = squares.mean();
            mean.attach(scope);
            return Math.sqrt(mean.getFloat());
        }
    }
}
