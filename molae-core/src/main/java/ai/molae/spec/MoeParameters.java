package ai.molae.spec;

import java.util.ArrayList;
import java.util.List;

/** Names and shapes of a layer's parameters in storage order; {@link MoeSpec#parameters} has the table. */
final class MoeParameters {

    private MoeParameters() {}

    static List<ParameterShape> of(MoeSpec spec) {
        List<ParameterShape> list = new ArrayList<>();
        addRouter(list, spec);
        addExperts(list, spec);
        spec.sharedExpert().ifPresent(shared -> addShared(list, spec, shared));
        return List.copyOf(list);
    }

    private static void addRouter(List<ParameterShape> list, MoeSpec spec) {
        list.add(ParameterShape.of("router", spec.numExperts(), spec.hiddenSize()));
        if (spec.router().correctionBias()) {
            list.add(ParameterShape.of("e_score_correction_bias", spec.numExperts()));
        }
    }

    private static void addExperts(List<ParameterShape> list, MoeSpec spec) {
        int n = spec.hiddenSize();
        int m = spec.intermediateSize();
        int experts = spec.numExperts();
        if (spec.latentInSize() > 0) {
            list.add(ParameterShape.of("latent_in", spec.expertGroups().numGroups(), spec.latentInSize(), n));
        }
        if (spec.fusedGateUp()) {
            list.add(ParameterShape.of("gate_up", experts, 2 * m, spec.expertWidth(ExpertOperator.UP)));
        } else {
            if (spec.gated()) {
                list.add(ParameterShape.of("gate", experts, m, spec.expertWidth(ExpertOperator.GATE)));
            }
            list.add(ParameterShape.of("up", experts, m, spec.expertWidth(ExpertOperator.UP)));
        }
        int downWidth = spec.expertWidth(ExpertOperator.DOWN);
        list.add(ParameterShape.of("down", experts, downWidth, m));
        if (spec.isFactored(ExpertOperator.DOWN)) {
            list.add(ParameterShape.of("latent_out", spec.expertGroups().numGroups(), n, downWidth));
        }
    }

    private static void addShared(List<ParameterShape> list, MoeSpec spec, SharedExpertSpec shared) {
        int n = spec.hiddenSize();
        int m = shared.intermediateSize();
        list.add(spec.gated() ? ParameterShape.of("shared_gate_up", 2 * m, n) : ParameterShape.of("shared_up", m, n));
        list.add(ParameterShape.of("shared_down", n, m));
        if (shared.sigmoidGated()) {
            list.add(ParameterShape.of("shared_gate", 1, n));
        }
    }
}
