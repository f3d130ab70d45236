package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.molae.djl.hf.LayerRows;
import ai.molae.djl.torch.NoGrad;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.List;

/**
 * The parameters of the standard layer that a factored one is equal to, {@code W = A B}.
 *
 * @param spec the factored layer
 * @param factored its parameters
 */
record MultipliedRows(MoeSpec spec, LayerRows factored) implements LayerRows {

    @Override
    public NDArray row(NDManager manager, String parameter, int index) {
        return switch (parameter) {
            case "gate_up" -> gateUp(manager, index);
            case "up" -> product(manager, ExpertOperator.UP, index, own(manager, ExpertOperator.UP, index));
            case "down" -> product(manager, ExpertOperator.DOWN, index, own(manager, ExpertOperator.DOWN, index));
            default -> throw new IllegalArgumentException(parameter + " is no parameter of a standard layer's experts");
        };
    }

    /** Own factors that stand in one row are computed once for both. */
    private NDArray gateUp(NDManager manager, int expert) {
        try (NDManager scope = manager.newSubManager();
                NoGrad noGrad = new NoGrad()) {
            int m = spec.intermediateSize();
            NDArray both = spec.fusedGateUp() ? factored.row(scope, "gate_up", expert) : null;
            return FactoredRows.joined(manager, List.of(ExpertOperator.GATE, ExpertOperator.UP), operator -> {
                int first = operator == ExpertOperator.GATE ? 0 : m;
                return product(
                        scope,
                        operator,
                        expert,
                        both == null ? own(scope, operator, expert) : both.get(new NDIndex("{}:{}", first, first + m)));
            });
        }
    }

    /** The matrix of an own factor, which is closed. */
    private NDArray product(NDManager manager, ExpertOperator operator, int expert, NDArray own) {
        try (NDManager scope = manager.newSubManager();
                NoGrad noGrad = new NoGrad()) {
            own.attach(scope);
            NDArray product = own;
            if (spec.isFactored(operator)) {
                int group = spec.expertGroups().groupOf(expert);
                product = operator == ExpertOperator.DOWN
                        ? factored.row(scope, "latent_out", group).matMul(own)
                        : own.matMul(projection(scope, operator, group));
            }
            product = product.duplicate();
            product.attach(manager);
            return product;
        }
    }

    private NDArray own(NDManager scope, ExpertOperator operator, int expert) {
        return factored.row(
                scope,
                switch (operator) {
                    case GATE -> "gate";
                    case UP -> "up";
                    case DOWN -> "down";
                },
                expert);
    }

    private NDArray projection(NDManager scope, ExpertOperator operator, int group) {
        boolean behindGate = operator == ExpertOperator.UP
                && spec.isFactored(ExpertOperator.GATE)
                && !spec.latent().orElseThrow().tiedGateUp();
        int first = behindGate ? spec.expertWidth(ExpertOperator.GATE) : 0;
        return factored.row(scope, "latent_in", group)
                .get(new NDIndex("{}:{}", first, first + spec.expertWidth(operator)));
    }
}
