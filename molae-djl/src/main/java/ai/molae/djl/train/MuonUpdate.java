package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import java.util.List;
import java.util.Map;

/** The matrices of {@link MuonSpec}. */
final class MuonUpdate extends ParameterUpdate {

    private final MuonSpec spec;
    private final int parts;
    private final List<NDArray> momenta;

    MuonUpdate(NDManager manager, Map<String, Parameter> parameters, MuonSpec spec, int parts) {
        super(manager, parameters);
        this.spec = spec;
        this.parts = parts;
        momenta = addStates("momentum");
    }

    @Override
    void update(NDManager scope, List<NDArray> gradients, NDArray step, StepNumbers hyper) {
        NDArray numbers = numbers(
                scope,
                hyper.learningRate(),
                hyper.weightDecay(),
                spec.momentum(),
                spec.nesterov() ? 1 : 0,
                spec.newtonSchulzSteps(),
                spec.precision().scalarType(),
                parts,
                PIECE);
        List<NDArray> weights = weights();
        for (int i = 0; i < weights.size(); i++) {
            OPS.call("muon", numbers, weights.get(i), gradients.get(i), momenta.get(i));
        }
    }
}
