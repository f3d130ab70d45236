package ai.molae.djl.convert;

import static ai.molae.djl.torch.TorchArguments.absent;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.convert.calibrate.LayerMoments;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.djl.torch.NoGrad;
import ai.molae.spec.ExpertOperator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * The norms that calibration gives. Sums over tokens are divided by the number of tokens T, those of the inputs of a group by its own, and shrunk:
 *
 * <pre>
 *   C ← (1 − λ) C + λ tr(C)/n I          L_i ← (1 − λ) L_i + λ l I,    l the mean over experts of tr(L_i)/m
 * </pre>
 *
 * so that moments of few tokens are regular, and an expert without any has a small weight rather than none.
 */
final class Metrics {

    private Metrics() {}

    /** Experts count by how many tokens chose them. */
    static Metric frequency(LayerMoments moments, double shrinkage) {
        double[] weights = frequencies(moments, shrinkage);
        return new Metric() {
            @Override
            public NDArray right(NDManager manager, ExpertOperator operator, List<Integer> experts) {
                return absent();
            }

            @Override
            public NDArray left(NDManager manager, ExpertOperator operator, int expert) {
                return number(manager, weights[expert]);
            }
        };
    }

    /** Tokens of an expert, relative to the mean of all experts. */
    private static double[] frequencies(LayerMoments moments, double shrinkage) {
        long[] counts = moments.statistics().counts();
        double mean = LongStream.of(counts).average().orElse(0);
        return LongStream.of(counts)
                .mapToDouble(count -> mean == 0 ? 1 : (1 - shrinkage) * count / mean + shrinkage)
                .toArray();
    }

    /** Second moments of inputs for gate and up, of each expert's h for down, and of what errors of gate and up do if asked for. */
    static Metric moments(LayerMoments moments, double shrinkage, boolean sensitivity) {
        Map<ExpertOperator, Double> levels = new EnumMap<>(ExpertOperator.class);
        for (ExpertOperator operator : moments.spec().operators()) {
            if (operator == ExpertOperator.DOWN || sensitivity) {
                levels.put(operator, meanLevel(moments, operator));
            }
        }
        double[] frequencies = frequencies(moments, shrinkage);
        double tokens = moments.statistics().tokens();
        return new Metric() {
            @Override
            public NDArray right(NDManager manager, ExpertOperator operator, List<Integer> experts) {
                if (operator == ExpertOperator.DOWN) {
                    return absent();
                }
                try (NDManager scope = manager.newSubManager();
                        NoGrad noGrad = new NoGrad()) {
                    NDArray c = input(scope, moments, experts);
                    return shrunk(manager, c, shrinkage, trace(c) / c.getShape().get(0));
                }
            }

            @Override
            public NDArray ownRight(NDManager manager, ExpertOperator operator, int expert) {
                if (operator == ExpertOperator.DOWN) {
                    return absent();
                }
                try (NDManager scope = manager.newSubManager();
                        NoGrad noGrad = new NoGrad()) {
                    Optional<NDArray> own = moments.input(scope, expert);
                    if (own.isEmpty()) {
                        return absent();
                    }
                    // Of a token of this expert; the weights of the other side count how many there are. Pulled towards
                    // any token.
                    long count = Math.max(1, moments.statistics().counts()[expert]);
                    NDArray all = moments.input(scope).div(tokens);
                    NDArray c = own.get().mul((1 - shrinkage) / count).add(all.mul(shrinkage));
                    return shrunk(
                            manager, c, shrinkage, trace(all) / all.getShape().get(0));
                }
            }

            @Override
            public NDArray left(NDManager manager, ExpertOperator operator, int expert) {
                Double level = levels.get(operator);
                if (level == null) {
                    return number(manager, frequencies[expert]);
                }
                try (NDManager scope = manager.newSubManager();
                        NoGrad noGrad = new NoGrad()) {
                    return shrunk(
                            manager, inner(scope, moments, operator, expert).div(tokens), shrinkage, level / tokens);
                }
            }
        };
    }

    /**
     * Of a token of the group if those were collected, else of any token. Not of all of them: the weights of the other side count how many
     * there are, and once is enough where errors of groups and operators are compared.
     */
    private static NDArray input(NDManager scope, LayerMoments moments, List<Integer> experts) {
        Optional<NDArray> first = moments.input(scope, experts.get(0));
        if (first.isEmpty()) {
            return moments.input(scope).div((double) moments.statistics().tokens());
        }
        NDArray sum = first.get();
        for (int expert : experts.subList(1, experts.size())) {
            try (NDArray more = moments.input(scope, expert).orElseThrow()) {
                sum.addi(more);
            }
        }
        long[] counts = moments.statistics().counts();
        long count = experts.stream().mapToLong(expert -> counts[expert]).sum();
        return sum.div((double) Math.max(1, count));
    }

    static NDArray inner(NDManager scope, LayerMoments moments, ExpertOperator operator, int expert) {
        return moments.inner(scope, operator, expert)
                .orElseThrow(() -> new IllegalArgumentException("the calibration has no moments of " + operator
                        + "; calibrate with inner moments of gate and up, or choose the weighting ACTIVATIONS"));
    }

    /** The mean over experts of the mean of the diagonal. */
    private static double meanLevel(LayerMoments moments, ExpertOperator operator) {
        return IntStream.range(0, moments.spec().numExperts())
                .mapToDouble(expert -> {
                    try (NDManager scope = NDManager.newBaseManager("PyTorch");
                            NoGrad noGrad = new NoGrad()) {
                        NDArray inner = inner(scope, moments, operator, expert);
                        return trace(inner) / inner.getShape().get(0);
                    }
                })
                .average()
                .orElse(0);
    }

    private static double trace(NDArray moment) {
        int size = (int) moment.getShape().get(0);
        if (moment.getShape().dimension() == 1) {
            try (NDArray sum = moment.sum()) {
                return sum.getDouble();
            }
        }
        try (NDArray eye = moment.getManager().eye(size, size, 0, DataType.FLOAT64);
                NDArray diagonal = moment.mul(eye);
                NDArray sum = diagonal.sum()) {
            return sum.getDouble();
        }
    }

    /** {@code (1 − λ) moment + λ level I} */
    private static NDArray shrunk(NDManager manager, NDArray moment, double shrinkage, double level) {
        NDManager scope = moment.getManager();
        int size = (int) moment.getShape().get(0);
        NDArray target = moment.getShape().dimension() == 1
                ? scope.ones(new Shape(size), DataType.FLOAT64)
                : scope.eye(size, size, 0, DataType.FLOAT64);
        // Nothing was ever computed here: every direction counts alike.
        double floor = level > 0 ? shrinkage * level : 1;
        NDArray result = moment.mul(1 - shrinkage).add(target.mul(floor));
        result.attach(manager);
        return result;
    }

    private static NDArray number(NDManager manager, double value) {
        return manager.full(new Shape(), (float) value, DataType.FLOAT64);
    }
}
