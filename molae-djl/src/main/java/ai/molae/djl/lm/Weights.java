package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.molae.djl.torch.PackedWeights;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.djl.torch.TorchOps;
import java.util.Map;
import java.util.Optional;

/**
 * What an operation computes with: arrays by parameter name, or packed weights and what stayed parameters beside them.
 *
 * @param block whose weights, for messages
 * @param arrays parameters by name
 * @param packed the packed ones, if the block was prepared for inference
 * @param gemm how to multiply
 */
record Weights(Class<?> block, Map<String, NDArray> arrays, Optional<PackedWeights> packed, long gemm) {

    /** A parameter, or an array without elements. */
    NDArray get(String name) {
        return arrays.getOrDefault(name, TorchArguments.absent());
    }

    /** Calls a method of the module that has the packed weights, or else of the one that all share. */
    NDList call(TorchOps shared, String method, NDArray... inputs) {
        return packed.map(weights -> weights.call(block, method, inputs)).orElseGet(() -> shared.call(method, inputs));
    }
}
