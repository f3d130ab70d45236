package ai.molae.djl.train;

import java.util.Map;
import java.util.OptionalDouble;

/**
 * Parameters that train differently. The first group that matches a parameter decides about it; what no group matches trains as the {@link
 * OptimizerSpec} says.
 *
 * <p>Patterns are globs over whole canonical paths ({@link ai.molae.djl.lm.CausalLm#parametersByPath}): {@code *} stands for any characters
 * without a dot, {@code **} for any characters. {@code **.mlp.router} are the routers of all layers, {@code layers.*.self_attn.*} all
 * attention, {@code layers.3.**} all of the fourth layer, {@code **_lora_b} one side of the adapters.
 *
 * <p>The learning rate of a group is
 *
 * <pre>
 *   lr · learningRateFactor · min(1, tokens / warmupTokens)
 * </pre>
 *
 * so that a router warms up by {@code ParameterGroup.warmup("**.mlp.router", tokens)}. What is not to train at all is frozen ({@link
 * FineTuning}), not given the factor 0.
 *
 * @param pattern which parameters
 * @param learningRateFactor factor of the learning rate
 * @param weightDecay in place of the optimizer's, for everything that matches, matrix or not
 * @param warmupTokens tokens until its full learning rate; 0 for none
 */
public record ParameterGroup(String pattern, double learningRateFactor, OptionalDouble weightDecay, long warmupTokens) {

    /**
     * Validates.
     *
     * @param pattern which parameters
     * @param learningRateFactor factor, positive
     * @param weightDecay weight decay, at least 0
     * @param warmupTokens tokens, at least 0
     * @throws IllegalArgumentException if a number is out of range
     */
    public ParameterGroup {
        if (!(learningRateFactor > 0 && learningRateFactor <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("the learning rate factor of " + pattern
                    + " must be positive and finite, got " + learningRateFactor + "; freeze what is not to be trained");
        }
        weightDecay.ifPresent(AdamWSpec::checkWeightDecay);
        if (warmupTokens < 0) {
            throw new IllegalArgumentException(
                    "warmupTokens of " + pattern + " must be at least 0, got " + warmupTokens);
        }
    }

    /**
     * A group with another learning rate.
     *
     * @param pattern which parameters
     * @param factor factor of the learning rate
     * @return the group
     */
    public static ParameterGroup learningRate(String pattern, double factor) {
        return new ParameterGroup(pattern, factor, OptionalDouble.empty(), 0);
    }

    /**
     * A group with another weight decay.
     *
     * @param pattern which parameters
     * @param weightDecay the weight decay
     * @return the group
     */
    public static ParameterGroup weightDecay(String pattern, double weightDecay) {
        return new ParameterGroup(pattern, 1, OptionalDouble.of(weightDecay), 0);
    }

    /**
     * A group whose learning rate rises from 0, besides what the schedule does.
     *
     * @param pattern which parameters
     * @param tokens tokens until its full learning rate
     * @return the group
     */
    public static ParameterGroup warmup(String pattern, long tokens) {
        return new ParameterGroup(pattern, 1, OptionalDouble.empty(), tokens);
    }

    /**
     * The factor of the learning rate.
     *
     * @param tokens tokens trained on, those of the step included
     * @return the factor, warm-up included
     */
    public double factor(long tokens) {
        return warmupTokens == 0
                ? learningRateFactor
                : learningRateFactor * Math.min(1, (double) tokens / warmupTokens);
    }

    /**
     * The group as what JSON knows.
     *
     * @return strings and numbers by name
     */
    public Map<String, Object> describe() {
        return Descriptions.of(this);
    }
}
