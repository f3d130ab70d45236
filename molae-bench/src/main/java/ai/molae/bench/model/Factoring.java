package ai.molae.bench.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.cost.CostModel;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.convert.factor.LayerFactors;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.djl.moe.ExpertMatrices;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.OptionalInt;
import java.util.function.ToDoubleFunction;

/** The factors of a standard layer in memory, in the closed form that is best in the Frobenius norm. */
final class Factoring {

    /** libtorch's number of float32, the type of the factors. */
    private static final int FLOAT32 = 6;

    private final NDManager manager;
    private final ExpertSource source;
    private final MoeSpec spec;

    /**
     * A layer to convert.
     *
     * @param manager parent of what a conversion needs
     * @param block standard, float32 parameters
     * @param spec what it becomes
     */
    Factoring(NDManager manager, MoeBlock block, MoeSpec spec) {
        this.manager = manager;
        this.spec = spec;
        source = new ExpertSource() {
            @Override
            public MoeSpec spec() {
                return block.spec();
            }

            @Override
            public NDArray read(NDManager owner, int expert, ExpertOperator operator) {
                return ExpertMatrices.of(owner, block, expert, operator);
            }
        };
    }

    /**
     * A layer with one group whose latent size is the largest that a share of parameters allows.
     *
     * @param standard the standard layer
     * @param ratio the share of the routed experts' parameters
     * @return the factored layer
     * @throws IllegalArgumentException if no latent size is small enough
     */
    static MoeSpec uniform(MoeSpec standard, double ratio) {
        double most = ratio * CostModel.layer(standard).routedExpertParameters();
        int fits = 0;
        int tooLarge = Math.toIntExact(
                1 + Math.min(standard.hiddenSize(), (long) standard.numExperts() * standard.intermediateSize()));
        while (tooLarge - fits > 1) {
            int middle = (fits + tooLarge) / 2;
            if (CostModel.layer(factored(standard, middle)).routedExpertParameters() <= most) {
                fits = middle;
            } else {
                tooLarge = middle;
            }
        }
        if (fits == 0) {
            throw new IllegalArgumentException("a ratio of " + ratio + " leaves no latent space in " + standard);
        }
        return factored(standard, fits);
    }

    private static MoeSpec factored(MoeSpec standard, int latentSize) {
        return standard.withLatent(LatentSpec.builder()
                .setLatentSize(latentSize)
                .setGroupSize(standard.numExperts())
                .build());
    }

    /** The factored layer. */
    MoeSpec spec() {
        return spec;
    }

    /**
     * Converts, and forgets the factors.
     *
     * @return the largest relative error of an operator, as the library tells it
     */
    double run() {
        return convert(factors -> {
            double largest = 0;
            for (ExpertOperator operator : spec.operators()) {
                for (int expert = 0; expert < spec.numExperts(); expert++) {
                    factors.own(manager, operator, expert).close();
                }
                largest = Math.max(largest, factors.relativeError(operator));
            }
            return largest;
        });
    }

    /**
     * Converts, and compares the products of the factors with the matrices.
     *
     * @return the largest relative error of an operator, recomputed
     * @throws IllegalStateException if the library tells another one
     */
    double check() {
        return convert(factors -> spec.operators().stream()
                .mapToDouble(operator -> check(factors, operator))
                .max()
                .orElseThrow());
    }

    private double check(LayerFactors factors, ExpertOperator operator) {
        double difference = 0;
        double size = 0;
        for (int expert = 0; expert < spec.numExperts(); expert++) {
            try (NDManager scope = manager.newSubManager()) {
                NDArray own = factors.own(scope, operator, expert);
                NDArray projection =
                        factors.projection(scope, operator, spec.expertGroups().groupOf(expert));
                NDArray product = operator == ExpertOperator.DOWN ? projection.matMul(own) : own.matMul(projection);
                NDArray matrix = source.read(scope, expert, operator);
                difference += squares(product.sub(matrix));
                size += squares(matrix);
            }
        }
        double error = Math.sqrt(difference / size);
        double told = factors.relativeError(operator);
        if (!(Math.abs(error - told) <= 1e-3 * error + 1e-6)) {
            throw new IllegalStateException("the factors of " + operator + " of " + spec + " have the relative error "
                    + error + ", the library tells " + told);
        }
        return error;
    }

    private static double squares(NDArray array) {
        try (NDArray squares = array.square();
                NDArray sum = squares.sum()) {
            return sum.getFloat();
        }
    }

    private double convert(ToDoubleFunction<LayerFactors> use) {
        LayerFactors.Problem problem = new LayerFactors.Problem(
                spec,
                Metric.FROBENIUS,
                OptionalInt.empty(),
                FLOAT32,
                LayerFactors.Iterations.NONE,
                spec.operators().size());
        try (LayerFactors factors = LayerFactors.solve(manager, problem, () -> source, Runnable::run)) {
            return use.applyAsDouble(factors);
        }
    }
}
