package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.EnumMap;
import java.util.Map;
import java.util.SplittableRandom;

/** Matrices in Java arrays: of operator and expert, X {@code [m, n]}, rounded to float32. */
record ArrayExperts(MoeSpec spec, Map<ExpertOperator, double[][][]> matrices) implements ExpertSource {

    static ArrayExperts random(MoeSpec spec, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        ArrayExperts experts = new ArrayExperts(spec, new EnumMap<>(ExpertOperator.class));
        for (ExpertOperator operator : spec.operators()) {
            double[][][] all = new double[spec.numExperts()][][];
            for (int i = 0; i < all.length; i++) {
                all[i] = Dense.random(random, spec.intermediateSize(), spec.hiddenSize());
            }
            experts.put(operator, all);
        }
        return experts;
    }

    void put(ExpertOperator operator, double[][][] all) {
        for (double[][] x : all) {
            for (double[] row : x) {
                for (int j = 0; j < row.length; j++) {
                    row[j] = (float) row[j];
                }
            }
        }
        matrices.put(operator, all);
    }

    double[][] x(ExpertOperator operator, int expert) {
        return matrices.get(operator)[expert];
    }

    @Override
    public NDArray read(NDManager manager, int expert, ExpertOperator operator) {
        double[][] w = operator == ExpertOperator.DOWN ? Dense.transpose(x(operator, expert)) : x(operator, expert);
        try (NDArray exact = manager.create(Dense.flat(w), new Shape(w.length, w[0].length))) {
            return exact.toType(DataType.FLOAT32, true);
        }
    }
}
