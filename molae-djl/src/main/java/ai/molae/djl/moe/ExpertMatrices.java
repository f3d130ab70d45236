package ai.molae.djl.moe;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.nn.Parameter;
import ai.molae.djl.torch.NoGrad;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;

/**
 * The matrices that the experts of a layer stand for, factored or not: {@code W_gate = A_gate B_gate}, {@code W_up = A_up B_up}, {@code W_down
 * = B_down A_down}.
 */
public final class ExpertMatrices {

    private ExpertMatrices() {}

    /**
     * One expert's matrix.
     *
     * @param manager will own the result
     * @param block a layer with float32 parameters
     * @param expert which expert, from 0
     * @param operator which operator
     * @return {@code [m, n]} for gate and up, {@code [n, m]} for down, float32; a view of the parameter where it is not factored
     * @throws IllegalStateException if the layer is prepared for inference
     */
    public static NDArray of(NDManager manager, MoeBlock block, int expert, ExpertOperator operator) {
        if (block.preparedPrecision().isPresent()) {
            throw new IllegalStateException("this MoeBlock was prepared for inference in "
                    + block.preparedPrecision().get() + "; its matrices cannot be read");
        }
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = manager.newSubManager()) {
            NDArray matrix = product(scope, block, expert, operator);
            matrix.attach(manager);
            return matrix;
        }
    }

    private static NDArray product(NDManager scope, MoeBlock block, int expert, ExpertOperator operator) {
        MoeSpec spec = block.spec();
        NDArray own = own(scope, block, expert, operator);
        if (!spec.isFactored(operator)) {
            return own;
        }
        int group = spec.expertGroups().groupOf().get(expert);
        if (operator == ExpertOperator.DOWN) {
            return row(scope, block, "latent_out", group).matMul(own);
        }
        NDArray projections = row(scope, block, "latent_in", group);
        LatentSpec latent = spec.latent().orElseThrow();
        boolean behindGate =
                operator == ExpertOperator.UP && spec.isFactored(ExpertOperator.GATE) && !latent.tiedGateUp();
        long first = behindGate ? latent.latentSize(ExpertOperator.GATE) : 0;
        return own.matMul(projections.get(new NDIndex("{}:{}", first, first + latent.latentSize(operator))));
    }

    /** The expert-specific matrix. */
    private static NDArray own(NDManager scope, MoeBlock block, int expert, ExpertOperator operator) {
        MoeSpec spec = block.spec();
        if (operator == ExpertOperator.DOWN) {
            return row(scope, block, "down", expert);
        }
        if (!spec.fusedGateUp()) {
            return row(scope, block, operator == ExpertOperator.GATE ? "gate" : "up", expert);
        }
        NDArray both = row(scope, block, "gate_up", expert);
        int m = spec.intermediateSize();
        return operator == ExpertOperator.GATE
                ? both.get(new NDIndex("0:{}", m))
                : both.get(new NDIndex("{}:{}", m, 2 * m));
    }

    /** An element of a stack. */
    private static NDArray row(NDManager scope, MoeBlock block, String name, int index) {
        Parameter parameter = block.getDirectParameters().get(name);
        NDArray row = parameter.getArray().get(new NDIndex("{}", index));
        row.attach(scope);
        return row;
    }
}
