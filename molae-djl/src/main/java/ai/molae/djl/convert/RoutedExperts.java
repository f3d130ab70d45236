package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.nn.Parameter;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A layer without its shared expert, whose output is another's business, beside the layer itself: what trains in it is a copy. */
final class RoutedExperts {

    private RoutedExperts() {}

    /**
     * A layer with the same router and the same experts.
     *
     * @param manager will own it
     * @param block a layer with float32 parameters
     * @param training the parameters that train, copied; all others are the block's memory, and frozen
     * @return a layer that gives y alone
     */
    static MoeBlock of(NDManager manager, MoeBlock block, Set<String> training) {
        MoeBlock routed = MoeBlock.builder()
                .setSpec(spec(block.spec()))
                .optPrecision(block.precision())
                .optAuxOutput(false)
                .build();
        routed.getDirectParameters().forEach(entry -> {
            NDArray array = block.getDirectParameters().get(entry.getKey()).getArray();
            boolean trains = training.contains(entry.getKey());
            // A detached handle, because whether a gradient is wanted is said to the tensor, and the block's own is not
            // to change.
            NDArray own = trains ? array.duplicate() : array.stopGradient();
            own.attach(manager);
            Parameter parameter = entry.getValue();
            parameter.freeze(!trains);
            parameter.setInitializer((owner, shape, type) -> own);
            parameter.initialize(manager, DataType.FLOAT32);
        });
        return routed;
    }

    /** The layer's spec without shared expert. */
    static MoeSpec spec(MoeSpec spec) {
        return new MoeSpec(
                spec.hiddenSize(),
                spec.intermediateSize(),
                spec.numExperts(),
                spec.topK(),
                spec.activation(),
                spec.gated(),
                spec.router(),
                spec.latent(),
                Optional.empty());
    }

    /** The names of the parameters that are factors. */
    static Set<String> factors(MoeSpec spec) {
        Set<String> names = new LinkedHashSet<>();
        if (spec.latentInSize() > 0) {
            names.add("latent_in");
        }
        for (ExpertOperator operator : spec.operators()) {
            if (spec.isFactored(operator)) {
                switch (operator) {
                    case GATE -> names.add(spec.fusedGateUp() ? "gate_up" : "gate");
                    case UP -> names.add(spec.fusedGateUp() ? "gate_up" : "up");
                    case DOWN -> {
                        names.add("down");
                        names.add("latent_out");
                    }
                }
            }
        }
        return names;
    }

    /** Some parameters by name. */
    static Map<String, Parameter> parameters(MoeBlock block, Set<String> names) {
        Map<String, Parameter> byName = new LinkedHashMap<>();
        names.forEach(name -> byName.put(name, block.getDirectParameters().get(name)));
        return byName;
    }
}
