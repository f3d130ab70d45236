package ai.molae.djl.train;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.initializer.NormalInitializer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;

/** Parameters by path, whose gradients a test says. */
final class TrainedArrays {

    private final NDManager manager;
    private final Map<String, Parameter> parameters = new LinkedHashMap<>();

    TrainedArrays(NDManager manager, long seed) {
        this.manager = manager;
        Engine.getEngine("PyTorch").setRandomSeed((int) seed);
    }

    TrainedArrays matrix(String path, long... shape) {
        return add(path, Parameter.Type.WEIGHT, shape);
    }

    TrainedArrays vector(String path, long size) {
        return add(path, Parameter.Type.GAMMA, size);
    }

    private TrainedArrays add(String path, Parameter.Type type, long... shape) {
        Parameter parameter = Parameter.builder()
                .setName(path.substring(path.lastIndexOf('.') + 1))
                .setType(type)
                .optShape(new Shape(shape))
                .optInitializer(new NormalInitializer(1))
                .build();
        parameter.initialize(manager, DataType.FLOAT32);
        parameters.put(path, parameter);
        return this;
    }

    Map<String, Parameter> byPath() {
        return parameters;
    }

    Parameter parameter(String path) {
        return parameters.get(path);
    }

    double[] values(String path) {
        return doubles(parameter(path).getArray());
    }

    double[] gradient(String path) {
        try (NDArray gradient = parameter(path).getArray().getGradient()) {
            return doubles(gradient);
        }
    }

    /** Normally distributed numbers, for every parameter that is not frozen. */
    Map<String, float[]> randomGradients(long seed) {
        Random random = new Random(seed);
        Map<String, float[]> gradients = new LinkedHashMap<>();
        parameters.forEach((path, parameter) -> {
            float[] gradient = new float[(int) parameter.getArray().size()];
            for (int i = 0; i < gradient.length; i++) {
                gradient[i] = (float) random.nextGaussian();
            }
            if (parameter.requiresGradient()) {
                gradients.put(path, gradient);
            }
        });
        return gradients;
    }

    /** Adds to the gradients. */
    void backward(Map<String, float[]> gradients) {
        try (NDManager scope = manager.newSubManager();
                GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDArray loss = scope.full(new Shape(), 0f);
            for (Map.Entry<String, float[]> gradient : gradients.entrySet()) {
                NDArray array = parameter(gradient.getKey()).getArray();
                loss = loss.add(scope.create(gradient.getValue(), array.getShape())
                        .mul(array)
                        .sum());
            }
            collector.backward(loss);
        }
    }

    static double[] doubles(NDArray array) {
        float[] floats = array.toFloatArray();
        double[] doubles = new double[floats.length];
        for (int i = 0; i < floats.length; i++) {
            doubles[i] = floats[i];
        }
        return doubles;
    }
}
