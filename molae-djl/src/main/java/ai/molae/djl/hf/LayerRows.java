package ai.molae.djl.hf;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Set;

/** The parameters of a layer's routed experts, one element of a stack at a time. */
@FunctionalInterface
public interface LayerRows {

    /** The names of these parameters, factored or not; the others of a layer are its router and its shared expert. */
    Set<String> PARAMETERS = Set.of("latent_in", "gate_up", "gate", "up", "down", "latent_out");

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
