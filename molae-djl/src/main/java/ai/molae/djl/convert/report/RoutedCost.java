package ai.molae.djl.convert.report;

import ai.molae.cost.CostModel;
import ai.molae.cost.LayerCost;
import ai.molae.cost.LayerPart;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the routed experts of a layer cost after a conversion, over what they cost before.
 *
 * @param parameterRatio of their parameters
 * @param flopRatio of a token's expected FLOPs
 * @param distinctGroups E[D], groups among the experts of a token; 0 without groups
 */
record RoutedCost(double parameterRatio, double flopRatio, double distinctGroups) {

    static RoutedCost of(MoeSpec before, MoeSpec after) {
        LayerCost old = CostModel.layer(before);
        LayerCost converted = CostModel.layer(after);
        return new RoutedCost(
                (double) converted.routedExpertParameters() / old.routedExpertParameters(),
                flops(converted) / flops(old),
                converted.expectedDistinctGroups());
    }

    /** A layer with some operators factored to one latent size. */
    static MoeSpec latent(MoeSpec layer, Collection<ExpertOperator> operators, int latentSize, List<Integer> groups) {
        Map<ExpertOperator, Integer> sizes = new EnumMap<>(ExpertOperator.class);
        operators.forEach(operator -> sizes.put(operator, latentSize));
        // Which experts are in a group matters for no expectation, only how many.
        List<Integer> groupOf = new ArrayList<>();
        for (int group = 0; group < groups.size(); group++) {
            groupOf.addAll(Collections.nCopies(groups.get(group), group));
        }
        return layer.withLatent(new LatentSpec(sizes, false, 1, Optional.of(new ExpertGroups(groupOf))));
    }

    private static double flops(LayerCost cost) {
        return cost.forwardFlops(LayerPart.GATE) + cost.forwardFlops(LayerPart.UP) + cost.forwardFlops(LayerPart.DOWN);
    }
}
