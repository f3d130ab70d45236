package ai.molae.djl.convert.calibrate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.moe.TokenRouting;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;

/**
 * The moments of one layer in memory, as tokens come:
 *
 * <pre>{@code
 * try (MomentAccumulator moments = new MomentAccumulator(block, new MomentSettings(false, InnerMoments.DIAGONAL))) {
 *     moments.add(x);                                   // any number of times, [..., n] each
 *     ExpertStatistics statistics = moments.statistics();
 * }
 * }</pre>
 *
 * <p>Routing and the experts' activations are computed in float32, as the layer computes them; products of rows and all sums in float64. So sums
 * over batches are the sums over their tokens, as far as float32 products do not depend on the size of a batch. A capacity of the experts is
 * left aside: every token visits the experts it chose.
 *
 * <p>Needs {@link MomentSettings#bytes} of memory on the block's device, and while it adds 4096 rows of one expert in float64. The block must stay open and
 * unchanged as long as this is used. Not thread-safe.
 */
public final class MomentAccumulator implements LayerMoments, AutoCloseable {

    private static final int CO_ACTIVATION = 0;
    private static final int STATISTICS = 1;
    private static final int INPUT = 2;
    private static final int EXPERT_INPUTS = 3;
    private static final int DOWN = 4;
    private static final int UP = 5;
    private static final int GATE = 6;

    private final MoeBlock block;
    private final MoeSpec spec;
    private final NDManager manager;
    private final NDArray[] sums;
    private long tokens;

    /**
     * Zero moments.
     *
     * @param block an initialised standard layer with float32 parameters
     * @param settings which moments to collect
     * @throws IllegalArgumentException if operators of the layer are factored, or it has adapters
     * @throws IllegalStateException if the layer is prepared for inference, or not initialised
     */
    public MomentAccumulator(MoeBlock block, MomentSettings settings) {
        check(block);
        this.block = block;
        spec = block.spec();
        manager = NDManager.newBaseManager(parameter("down").getDevice(), "PyTorch");
        long n = spec.hiddenSize();
        long m = spec.intermediateSize();
        long experts = spec.numExperts();
        Shape inner =
                switch (settings.inner()) {
                    case NONE -> new Shape(0);
                    case DIAGONAL -> new Shape(experts, m);
                    case FULL -> new Shape(experts, m, m);
                };
        try {
            sums = new NDArray[] {
                zeros(new Shape(experts, experts)),
                zeros(new Shape(4, experts)),
                zeros(new Shape(n, n)),
                zeros(settings.expertInputs() ? new Shape(experts, n, n) : new Shape(0)),
                zeros(new Shape(experts, m, m)),
                zeros(inner),
                zeros(spec.gated() ? inner : new Shape(0))
            };
        } catch (RuntimeException e) {
            manager.close();
            throw e;
        }
    }

    private static void check(MoeBlock block) {
        if (block.spec().latent().isPresent()) {
            throw new IllegalArgumentException(
                    "moments are collected of standard layers, but this one is factored already: "
                            + block.spec().latent().get() + "; calibrate the model it was made of");
        }
        if (block.numAdapters() > 0) {
            throw new IllegalArgumentException("this MoeBlock has " + block.numAdapters()
                    + " adapters, of which the moments would know nothing; merge or remove them first");
        }
        if (block.preparedPrecision().isPresent()) {
            throw new IllegalStateException("this MoeBlock was prepared for inference in "
                    + block.preparedPrecision().get() + "; moments are collected with float32 parameters");
        }
        if (!block.isInitialized()) {
            throw new IllegalStateException("this MoeBlock has no parameters yet; initialize or load it first");
        }
    }

    private NDArray zeros(Shape shape) {
        return manager.zeros(shape, DataType.FLOAT64);
    }

    private NDArray parameter(String name) {
        return Objects.requireNonNull(block.getDirectParameters().get(name)).getArray();
    }

    /**
     * Adds tokens. If it fails in the middle, the sums are of no use any more.
     *
     * @param x {@code [..., n]} float32, what the layer reads, on the block's device; stays the caller's. No tokens are none
     * @throws IllegalArgumentException if the shape or the type is another
     */
    public void add(NDArray x) {
        Shape shape = x.getShape();
        if (shape.dimension() < 1
                || shape.get(shape.dimension() - 1) != spec.hiddenSize()
                || x.getDataType() != DataType.FLOAT32) {
            throw new IllegalArgumentException("moments are collected of [..., hiddenSize = " + spec.hiddenSize()
                    + "] float32, got " + x.getDataType() + " " + shape);
        }
        try (NDManager scope = x.getManager().newSubManager();
                NDArray xTn = x.reshape(-1, spec.hiddenSize())) {
            xTn.attach(scope);
            try (TokenRouting routing = TokenRouting.of(block, xTn)) {
                MomentOps.add(spec, xTn, routing, parameter(spec.gated() ? "gate_up" : "up"), parameter("down"), sums);
            }
            tokens += xTn.getShape().get(0);
        }
    }

    @Override
    public MoeSpec spec() {
        return spec;
    }

    @Override
    public ExpertStatistics statistics() {
        int experts = spec.numExperts();
        double[] together = sums[CO_ACTIVATION].toDoubleArray();
        long[][] coActivation = new long[experts][experts];
        long[] counts = new long[experts];
        for (int i = 0; i < experts; i++) {
            for (int j = 0; j < experts; j++) {
                coActivation[i][j] = Math.round(together[i * experts + j]);
            }
            counts[i] = coActivation[i][i];
        }
        double[] statistics = sums[STATISTICS].toDoubleArray();
        return new ExpertStatistics(
                tokens,
                counts,
                Arrays.copyOfRange(statistics, 0, experts),
                Arrays.copyOfRange(statistics, experts, 2 * experts),
                means(statistics, 2 * experts, counts),
                means(statistics, 3 * experts, counts),
                coActivation);
    }

    private static double[] means(double[] statistics, int first, long[] counts) {
        double[] means = new double[counts.length];
        Arrays.setAll(means, i -> counts[i] == 0 ? 0 : statistics[first + i] / counts[i]);
        return means;
    }

    @Override
    public NDArray input(NDManager manager) {
        return MomentOps.whole(manager, sums[INPUT]);
    }

    @Override
    public Optional<NDArray> input(NDManager manager, int expert) {
        Objects.checkIndex(expert, spec.numExperts());
        NDArray stack = sums[EXPERT_INPUTS];
        return stack.isEmpty() ? Optional.empty() : Optional.of(MomentOps.of(manager, stack, expert));
    }

    @Override
    public Optional<NDArray> inner(NDManager manager, ExpertOperator operator, int expert) {
        Objects.checkIndex(expert, spec.numExperts());
        if (operator == ExpertOperator.DOWN) {
            return Optional.of(MomentOps.of(manager, sums[DOWN], expert));
        }
        NDArray stack = sums[operator == ExpertOperator.UP ? UP : GATE];
        return stack.isEmpty()
                ? Optional.empty()
                : Optional.of(MomentOps.throughDown(manager, stack, parameter("down"), expert));
    }

    /** Frees the sums. The block and arrays that were asked for stay. */
    @Override
    public void close() {
        manager.close();
    }
}
