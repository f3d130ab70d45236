package ai.molae.cost;

import ai.molae.internal.Checks;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A training run as the {@link ScalingLaw} sees it: the three numbers it computes with, and those that decide whether
 * it applies.
 *
 * @param activeParameters active parameters, embedding and head included
 * @param totalParameters all parameters
 * @param tokens training tokens
 * @param experts routed experts per layer, E; 1 is a dense model
 * @param topK experts per token
 * @param granularity how many times narrower an expert is than the dense network it stands for, {@code 3n/m}; 1 is not
 *     fine-grained
 * @param latent whether experts are factored
 * @param sharedExpert whether there are shared experts
 * @param sameData whether data and tokenizer are those of the law, FineWeb-Edu and GPT-2's
 */
public record TrainingRun(
        double activeParameters,
        double totalParameters,
        double tokens,
        int experts,
        int topK,
        double granularity,
        boolean latent,
        boolean sharedExpert,
        boolean sameData) {

    /**
     * Validates the fields.
     *
     * @param activeParameters active parameters
     * @param totalParameters all parameters
     * @param tokens training tokens
     * @param experts routed experts per layer
     * @param topK experts per token
     * @param granularity {@code 3n/m}
     * @param latent whether experts are factored
     * @param sharedExpert whether there are shared experts
     * @param sameData whether data and tokenizer are those of the law
     * @throws IllegalArgumentException if a number is not positive
     */
    public TrainingRun {
        Checks.finitePositive("activeParameters", activeParameters);
        Checks.finitePositive("totalParameters", totalParameters);
        Checks.finitePositive("tokens", tokens);
        Checks.positive("experts", experts);
        Checks.positive("topK", topK);
        Checks.finitePositive("granularity", granularity);
    }

    /**
     * A run inside the architecture, data and tokenizer of the law: top-1 experts of width 3d; total parameters by
     * {@link ScalingLaw#totalParametersOf}.
     *
     * @param activeParameters active parameters, embedding and head included
     * @param tokens training tokens
     * @param experts routed experts per layer
     * @return the run
     * @throws IllegalArgumentException if an argument is not positive
     */
    public static TrainingRun of(double activeParameters, double tokens, int experts) {
        double total = ScalingLaw.totalParametersOf(activeParameters, experts);
        return new TrainingRun(activeParameters, total, tokens, experts, 1, 1, false, false, true);
    }

    /**
     * The run of a model, on data and with a tokenizer other than the law's. Where its MoE layers differ, the one with
     * the most experts counts.
     *
     * @param model the model
     * @param tokens training tokens
     * @return the run
     * @throws IllegalArgumentException if {@code tokens} is not positive
     */
    public static TrainingRun of(ModelSpec model, double tokens) {
        ModelCost cost = CostModel.model(model);
        double active = cost.activeParameters();
        double total = (double) cost.parameters();
        if (cost.moeLayers().isEmpty()) {
            return new TrainingRun(active, total, tokens, 1, 1, 1, false, false, false);
        }
        MoeSpec moe = cost.moeLayers().get(0).spec();
        for (LayerCost layer : cost.moeLayers()) {
            moe = layer.spec().numExperts() > moe.numExperts() ? layer.spec() : moe;
        }
        return new TrainingRun(
                active,
                total,
                tokens,
                moe.numExperts(),
                moe.topK(),
                3.0 * moe.hiddenSize() / moe.intermediateSize(),
                moe.latent().isPresent(),
                moe.sharedExpert().isPresent(),
                false);
    }

    /**
     * The same run on the law's data and tokenizer, or not.
     *
     * @param same whether they are FineWeb-Edu and GPT-2's
     * @return the changed run
     */
    public TrainingRun withSameData(boolean same) {
        return new TrainingRun(
                activeParameters, totalParameters, tokens, experts, topK, granularity, latent, sharedExpert, same);
    }

    /**
     * Every limit of the law's validity that the run exceeds. Behind the law stand more than 280 runs with at most 2.7
     * billion active and 5 billion total parameters and 32 experts, top 1, granularity 1, on FineWeb-Edu with the GPT-2
     * tokenizer.
     *
     * @return one sentence each; empty if it exceeds none
     */
    public List<String> warnings() {
        List<String> list = new ArrayList<>();
        warn(
                list,
                activeParameters > 2.7e9,
                "%.2f B active parameters; the law was fitted up to 2.7 B",
                activeParameters / 1e9);
        warn(
                list,
                totalParameters > 5e9,
                "%.2f B total parameters; the law was fitted up to 5 B",
                totalParameters / 1e9);
        warn(list, experts > 32, "%d experts; the law was fitted up to 32", experts);
        warn(list, topK != 1, "top-k is %d; the law was fitted with top-1 routing", topK);
        warn(
                list,
                Math.round(granularity) != 1,
                "granularity is %.2f; the law was fitted at granularity 1, without fine-grained experts",
                granularity);
        warn(list, sharedExpert, "there are shared experts; the law was fitted without");
        warn(
                list,
                latent,
                "MoLAE is not covered by the law; its active parameters stand in for those of a standard MoE");
        warn(list, !sameData, "other data or tokenizer; the law was fitted on FineWeb-Edu with the GPT-2 tokenizer");
        return List.copyOf(list);
    }

    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be a dependency
    private static void warn(List<String> list, boolean exceeded, String format, Object... args) {
        if (exceeded) {
            list.add(String.format(Locale.ROOT, format, args));
        }
    }
}
