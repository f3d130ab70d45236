package ai.molae.djl.lm;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.Adapters;
import ai.molae.djl.torch.PackedWeights;
import ai.molae.djl.torch.TorchArguments;
import java.util.List;
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

    /**
     * Calls a method in the variant for packed weights, for matrices with adapters, or for neither. {@code matrices} are in the order in which
     * the method has them; the gemm in {@code inputs} is that of {@link #gemm(List)}.
     */
    NDList call(String method, List<String> matrices, NDArray... inputs) {
        if (packed.isPresent()) {
            return packed.get().call(block, "prepared_" + method, inputs);
        }
        if (!Adapters.anyOf(arrays, matrices)) {
            return LmOps.OPS.call(method, inputs);
        }
        try (NDManager scope = inputs[0].getManager().newSubManager()) {
            NDList arguments = new NDList(inputs);
            arguments.addAll(Adapters.list(scope, arrays, matrices));
            return LmOps.OPS.call("adapted_" + method, arguments.toArray(new NDArray[0]));
        }
    }

    /** How to multiply with matrices that may have adapters. */
    long gemm(List<String> matrices) {
        return Adapters.anyOf(arrays, matrices) ? Adapters.followed(gemm) : gemm;
    }
}
