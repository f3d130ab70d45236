package ai.molae.djl.convert.calibrate;

import static ai.molae.djl.torch.TorchArguments.absent;
import static ai.molae.djl.torch.TorchArguments.code;
import static ai.molae.djl.torch.TorchArguments.ints;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.moe.TokenRouting;
import ai.molae.djl.torch.NoGrad;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.djl.torch.TorchOps;
import ai.molae.spec.MoeSpec;

/** The operations of {@code moments.py}. */
final class MomentOps {

    private static final TorchOps OPS = new TorchOps(MomentOps.class, "moments.py");

    /** Rows that are float64 at a time. */
    private static final long MOST_ROWS = 4096;

    private MomentOps() {}

    /**
     * Adds tokens to sums, in place.
     *
     * @param spec the layer
     * @param xTn the tokens
     * @param routing theirs
     * @param up {@code [N, 2m, n]} or, ungated, {@code [N, m, n]}
     * @param down {@code [N, n, m]}
     * @param sums in the order of {@code add} in {@code moments.py}
     */
    static void add(MoeSpec spec, NDArray xTn, TokenRouting routing, NDArray up, NDArray down, NDArray... sums) {
        try (NoGrad noGrad = new NoGrad();
                NDManager scope = xTn.getManager().newSubManager();
                NDArray ints = ints(code(spec.activation()), code(spec.gated()), MOST_ROWS)) {
            NDList arguments =
                    new NDList(xTn, routing.experts(), routing.weights(), routing.probabilities(), up, down, ints);
            // Views, because a list gives its arrays a name that would make lists of them in later calls.
            NDList views = new NDList();
            for (NDArray sum : sums) {
                NDArray view = sum.reshape(sum.getShape());
                view.attach(scope);
                views.add(view);
            }
            arguments.addAll(TorchArguments.list(views));
            OPS.call("add", arguments.toArray(new NDArray[0])).close();
        }
    }

    /** A copy of a sum. */
    static NDArray whole(NDManager manager, NDArray sum) {
        return part(manager, sum, absent(), -1);
    }

    /** A copy of an element of a stack. */
    static NDArray of(NDManager manager, NDArray stack, int expert) {
        return part(manager, stack, absent(), expert);
    }

    /** The same, times {@code W_downᵀ W_down}, or its diagonal. */
    static NDArray throughDown(NDManager manager, NDArray stack, NDArray down, int expert) {
        return part(manager, stack, down, expert);
    }

    private static NDArray part(NDManager manager, NDArray sum, NDArray down, int expert) {
        try (NoGrad noGrad = new NoGrad();
                NDArray ints = ints(expert)) {
            NDArray part = OPS.call("part", sum, down, ints).singletonOrThrow();
            part.attach(manager);
            return part;
        }
    }

    /** The least and the greatest eigenvalue of a symmetric float64 matrix. */
    static double[] extremeEigenvalues(NDArray matrix) {
        try (NoGrad noGrad = new NoGrad();
                NDArray extremes = OPS.call("extreme_eigenvalues", matrix).singletonOrThrow()) {
            return extremes.toDoubleArray();
        }
    }
}
