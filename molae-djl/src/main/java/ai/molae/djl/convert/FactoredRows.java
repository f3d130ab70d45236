package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.convert.factor.LayerFactors;
import ai.molae.djl.hf.LayerRows;
import ai.molae.djl.torch.NoGrad;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.List;

/**
 * The parameters of a factored layer, made when they are asked for: projections and own factors of the factored operators, the matrices of the others.
 *
 * @param factors the factors
 * @param source the original matrices
 */
record FactoredRows(LayerFactors factors, ExpertSource source) implements LayerRows {

    @Override
    public NDArray row(NDManager manager, String parameter, int index) {
        MoeSpec spec = factors.spec();
        return switch (parameter) {
            case "latent_in" -> {
                boolean one = spec.latent().orElseThrow().tiedGateUp() || !spec.isFactored(ExpertOperator.GATE);
                List<ExpertOperator> parts = one
                        ? List.of(ExpertOperator.UP)
                        : spec.isFactored(ExpertOperator.UP)
                                ? List.of(ExpertOperator.GATE, ExpertOperator.UP)
                                : List.of(ExpertOperator.GATE);
                yield joined(manager, parts, operator -> factors.projection(manager, operator, index));
            }
            case "latent_out" -> factors.projection(manager, ExpertOperator.DOWN, index);
            case "gate_up" -> joined(
                    manager,
                    List.of(ExpertOperator.GATE, ExpertOperator.UP),
                    operator -> own(manager, operator, index));
            case "gate" -> own(manager, ExpertOperator.GATE, index);
            case "up" -> own(manager, ExpertOperator.UP, index);
            case "down" -> own(manager, ExpertOperator.DOWN, index);
            default -> throw new IllegalArgumentException(parameter + " is no parameter of routed experts");
        };
    }

    private NDArray own(NDManager manager, ExpertOperator operator, int expert) {
        return factors.spec().isFactored(operator)
                ? factors.own(manager, operator, expert)
                : source.read(manager, expert, operator);
    }

    /** One below the other. */
    static NDArray joined(
            NDManager manager,
            List<ExpertOperator> operators,
            java.util.function.Function<ExpertOperator, NDArray> part) {
        NDArray first = part.apply(operators.get(0));
        if (operators.size() == 1) {
            return first;
        }
        try (NoGrad noGrad = new NoGrad();
                NDArray upper = first;
                NDArray lower = part.apply(operators.get(1))) {
            NDArray both = upper.concat(lower);
            both.attach(manager);
            return both;
        }
    }
}
