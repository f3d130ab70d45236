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
            case "gate_up" -> FactoredRows.joined(
                    manager,
                    List.of(ExpertOperator.GATE, ExpertOperator.UP),
                    operator -> product(manager, operator, index));
            case "up" -> product(manager, ExpertOperator.UP, index);
            case "down" -> product(manager, ExpertOperator.DOWN, index);
            default -> throw new IllegalArgumentException(parameter + " is no parameter of a standard layer's experts");
        };
    }

    private NDArray product(NDManager manager, ExpertOperator operator, int expert) {
        try (NDManager scope = manager.newSubManager();
                NoGrad noGrad = new NoGrad()) {
            NDArray own = own(scope, operator, expert);
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
        int m = spec.intermediateSize();
        if (operator != ExpertOperator.DOWN && spec.fusedGateUp()) {
            NDArray both = factored.row(scope, "gate_up", expert);
            return operator == ExpertOperator.GATE
                    ? both.get(new NDIndex("0:{}", m))
                    : both.get(new NDIndex("{}:{}", m, 2 * m));
        }
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
