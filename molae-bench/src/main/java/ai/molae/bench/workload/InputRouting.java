package ai.molae.bench.workload;

import ai.molae.cost.ElementType;
import ai.molae.route.Routing;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * How many experts and groups the inputs of a case really need, where the cost model has expectations for a uniform router: means over the inputs.
 *
 * @param groupsPerToken D, distinct groups among the experts of a token; 0 in a standard layer, which has no groups
 * @param experts distinct experts among those of all tokens of an input
 * @param groups distinct groups among those of all tokens of an input; 0 in a standard layer
 */
public record InputRouting(double groupsPerToken, double experts, double groups) {

    /**
     * Counts.
     *
     * @param layer the case
     * @param inputs how many of its inputs, from number 0
     * @return the means
     */
    public static InputRouting of(LayerCase layer, int inputs) {
        MoeSpec spec = layer.spec();
        List<Integer> groupOf = spec.latent().isPresent() ? spec.expertGroups().groupOf() : List.of();
        long groupsOfTokens = 0;
        long experts = 0;
        long groups = 0;
        for (int input = 0; input < inputs; input++) {
            Routing routing = layer.routing(layer.input(input));
            BitSet chosen = new BitSet();
            for (int[] ofToken : routing.experts()) {
                BitSet own = new BitSet();
                Arrays.stream(ofToken).forEach(own::set);
                chosen.or(own);
                groupsOfTokens += groups(own, groupOf);
            }
            experts += chosen.cardinality();
            groups += groups(chosen, groupOf);
        }
        return new InputRouting(
                (double) groupsOfTokens / inputs / layer.tokens(), (double) experts / inputs, (double) groups / inputs);
    }

    private static long groups(BitSet experts, List<Integer> groupOf) {
        return groupOf.isEmpty()
                ? 0
                : experts.stream().map(groupOf::get).distinct().count();
    }

    /**
     * Bytes of the weights that a call touches: router and shared expert whole, the experts and groups that its tokens need.
     *
     * @param spec the case's layer
     * @param type the format of the weights; correction biases are float32
     * @return the mean over the inputs
     */
    public double readBytes(MoeSpec spec, ElementType type) {
        double bytes = 0;
        for (ParameterShape parameter : spec.parameters()) {
            String name = parameter.name();
            double share = 1;
            if (name.startsWith("latent_")) {
                share = groups / parameter.shape().get(0);
            } else if (name.equals("down") || name.equals("up") || name.equals("gate") || name.equals("gate_up")) {
                share = experts / spec.numExperts();
            }
            boolean bias = name.equals("e_score_correction_bias");
            bytes += share * parameter.size() * (bias ? ElementType.FLOAT32 : type).bytes();
        }
        return bytes;
    }
}
