package ai.molae.djl.generate;

import java.util.List;

/**
 * What a generator made of a prompt.
 *
 * @param tokens the new ids, without the prompt and without the stop token; the array is the caller's
 * @param choices how probable each of them was, if the generator tells that ({@link Generator.Builder#optTopLogprobs}); else empty
 * @param stopReason why it ended
 */
@SuppressWarnings("ArrayRecordComponent") // a result, never compared
public record Generation(int[] tokens, List<Sampler.Choice> choices, StopReason stopReason) {

    /**
     * Copies the list.
     *
     * @param tokens the new ids
     * @param choices how probable each was, or none
     * @param stopReason why it ended
     * @throws IllegalArgumentException if there are choices, but not one for each token
     */
    public Generation {
        choices = List.copyOf(choices);
        if (!choices.isEmpty() && choices.size() != tokens.length) {
            throw new IllegalArgumentException("there must be a choice for each of the " + tokens.length
                    + " tokens, or none, got " + choices.size());
        }
    }

    /**
     * The log-probability of each token under the model itself.
     *
     * @return one number per token, or none if the generator does not tell; a new array
     */
    public double[] logprobs() {
        return choices.stream().mapToDouble(Sampler.Choice::logprob).toArray();
    }
}
