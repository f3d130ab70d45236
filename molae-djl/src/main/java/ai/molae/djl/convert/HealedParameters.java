package ai.molae.djl.convert;

import ai.djl.nn.Parameter;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/** Which parameters of a model healing trains. */
final class HealedParameters {

    private HealedParameters() {}

    static Set<Parameter> of(CausalLm model, Healing.Trained trained) {
        Set<Parameter> parameters = none();
        if (trained == Healing.Trained.ALL) {
            parameters.addAll(model.getParameters().values());
            return parameters;
        }
        for (DecoderLayer layer : model.layers()) {
            if (layer.feedForward() instanceof MoeBlock moe) {
                moe.getDirectParameters().values().stream()
                        .filter(parameter -> isTrained(moe.spec(), parameter.getName(), trained))
                        .forEach(parameters::add);
            }
        }
        if (parameters.isEmpty()) {
            throw new IllegalArgumentException("there is nothing to heal: none of the "
                    + model.layers().size() + " layers is a "
                    + (trained == Healing.Trained.FACTORS ? "MoE layer with factored experts" : "MoE layer"));
        }
        return parameters;
    }

    private static boolean isTrained(MoeSpec spec, String parameter, Healing.Trained trained) {
        boolean all = trained == Healing.Trained.EXPERTS;
        return switch (parameter) {
            case "latent_in", "latent_out" -> true;
            case "gate" -> all || spec.isFactored(ExpertOperator.GATE);
            case "gate_up", "up" -> all || spec.isFactored(ExpertOperator.UP);
            case "down" -> all || spec.isFactored(ExpertOperator.DOWN);
            default -> false;
        };
    }

    /** Those that train as the model is. */
    static Set<Parameter> trained(CausalLm model) {
        Set<Parameter> parameters = none();
        model.getParameters().values().stream()
                .filter(Parameter::requiresGradient)
                .forEach(parameters::add);
        return parameters;
    }

    private static Set<Parameter> none() {
        return Collections.newSetFromMap(new IdentityHashMap<>());
    }
}
