package ai.molae.djl.convert;

import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The squared singular values of the stacked matrices of a group, {@code [W^1; …; W^k]} (km × n) or, for down, {@code [W^1 … W^k]} (n × km),
 * in the norm of a {@link Weighting}.
 *
 * @param layer the layer's number in the model, from 0
 * @param operator which matrices
 * @param group the group's number in the layer
 * @param experts k of this group
 * @param rows m, of one expert's matrix on its inner side
 * @param columns n, the side that is shared; of stacks that are factored, r
 * @param energies s_1² ≥ s_2² ≥ …, {@code min(n, km)} of them
 */
@SuppressWarnings("ArrayRecordComponent") // thousands of numbers; nothing compares spectra
public record OperatorSpectrum(
        int layer, ExpertOperator operator, int group, int experts, int rows, int columns, double[] energies) {

    /** The spectra of a layer one by one: of each operator one for each group. */
    static List<OperatorSpectrum> list(
            int layer, MoeSpec moe, ExpertGroups groups, Map<ExpertOperator, List<double[]>> ofOperator) {
        List<OperatorSpectrum> list = new ArrayList<>();
        int[] sizes = groups.sizes();
        ofOperator.forEach((operator, spectra) -> {
            for (int g = 0; g < spectra.size(); g++) {
                list.add(new OperatorSpectrum(
                        layer, operator, g, sizes[g], moe.intermediateSize(), moe.hiddenSize(), spectra.get(g)));
            }
        });
        return list;
    }

    /**
     * The energy a latent size keeps.
     *
     * @param latentSize r
     * @return {@code Σ_{j ≤ r} s_j² / Σ s_j²}
     */
    public double kept(int latentSize) {
        double kept = 0;
        double total = 0;
        for (int j = 0; j < energies.length; j++) {
            total += energies[j];
            if (j < latentSize) {
                kept += energies[j];
            }
        }
        return total == 0 ? 1 : kept / total;
    }
}
