package ai.molae.djl.hf;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;

/** The parameters of a layer's routed experts, one element of a stack at a time. */
@FunctionalInterface
public interface LayerRows {

    /**
     * Makes an element.
     *
     * @param manager will own it
     * @param parameter the parameter's name in {@link ai.molae.spec.MoeSpec#parameters()}, such as {@code gate_up}
     * @param index its index on the first axis: an expert or a group
     * @return float32, contiguous
     */
    NDArray row(NDManager manager, String parameter, int index);
}
