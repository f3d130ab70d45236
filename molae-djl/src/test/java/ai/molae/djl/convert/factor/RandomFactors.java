package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Random;
import java.util.stream.DoubleStream;

/** Random matrices in double. */
final class RandomFactors {

    private final NDManager manager;
    private final Random random;

    RandomFactors(NDManager manager, long seed) {
        this.manager = manager;
        this.random = new Random(seed);
    }

    NDArray gaussian(long rows, long columns) {
        return manager.create(
                DoubleStream.generate(random::nextGaussian)
                        .limit(rows * columns)
                        .toArray(),
                new Shape(rows, columns));
    }

    /** Moments of tokens whose coordinates have scales of their own, in a random basis. */
    NDArray moments(int tokens, int n) {
        double[] scales = new double[n];
        for (int j = 0; j < n; j++) {
            scales[j] = Math.exp(1.5 * random.nextGaussian());
        }
        NDArray x = gaussian(tokens, n).mul(manager.create(scales)).matMul(gaussian(n, n));
        return x.transpose().matMul(x).div(Math.max(1, tokens));
    }

    /** k matrices. */
    FactorProblem.Arrays matrices(int k, int m, int n) {
        return stored(k, i -> gaussian(m, n));
    }

    static FactorProblem.Arrays stored(int k, java.util.function.IntFunction<NDArray> make) {
        NDArray[] arrays = new NDArray[k];
        for (int i = 0; i < k; i++) {
            arrays[i] = make.apply(i);
        }
        return (scope, i) -> {
            NDArray copy = arrays[i].duplicate();
            copy.attach(scope);
            return copy;
        };
    }
}
