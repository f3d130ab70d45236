package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import ai.molae.djl.torch.NoGrad;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Finds what is NaN or infinite, without arrays of the size of what is looked through. */
final class NonFinite {

    private NonFinite() {}

    /**
     * The first array with an element that is NaN or infinite.
     *
     * @param arrays floating-point arrays by name
     * @return the name of the first in the order of the map, empty if all are finite
     */
    static Optional<String> first(Map<String, NDArray> arrays) {
        if (arrays.isEmpty()) {
            return Optional.empty();
        }
        NDArray any = arrays.values().iterator().next();
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = any.getManager().newSubManager()) {
            NDArray[] list = ParameterUpdate.named(scope, "arrays", List.copyOf(arrays.values()))
                    .toArray(NDArray[]::new);
            float[] magnitudes = ParameterUpdate.OPS
                    .call("magnitudes", list)
                    .singletonOrThrow()
                    .toFloatArray();
            int i = 0;
            for (String name : arrays.keySet()) {
                if (!Float.isFinite(magnitudes[i++])) {
                    return Optional.of(name);
                }
            }
            return Optional.empty();
        }
    }

    /**
     * The first parameter that is not finite.
     *
     * @param parameters initialised parameters by path
     * @return its path
     */
    static Optional<String> firstParameter(Map<String, Parameter> parameters) {
        Map<String, NDArray> arrays = new LinkedHashMap<>();
        parameters.forEach((path, parameter) -> arrays.put(path, parameter.getArray()));
        return first(arrays);
    }

    /**
     * The first parameter whose gradient is not finite. Those that require none are not looked at.
     *
     * @param parameters initialised parameters by path
     * @return its path
     */
    static Optional<String> firstGradient(Map<String, Parameter> parameters) {
        Map<String, NDArray> gradients = new LinkedHashMap<>();
        try {
            parameters.forEach((path, parameter) -> {
                if (parameter.requiresGradient() && parameter.getArray().hasGradient()) {
                    gradients.put(path, parameter.getArray().getGradient());
                }
            });
            return first(gradients);
        } finally {
            gradients.values().forEach(NDArray::close);
        }
    }
}
