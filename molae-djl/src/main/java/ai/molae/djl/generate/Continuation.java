package ai.molae.djl.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** One text in the making: what it has got so far, and its own random numbers. */
final class Continuation {

    /** Read in place of the tokens of a text that has ended, and of padding; any id would do. */
    private static final int NOTHING = 0;

    private final int[] prompt;
    private final Sampling sampling;
    private final OptionalInt topLogprobs;
    private final Sampler sampler;
    private final BitSet seen = new BitSet();
    private final int most;
    private final StopReason atMost;
    private final int[] made;
    private final List<Sampler.Choice> choices = new ArrayList<>();
    private int count;
    private Optional<StopReason> stopReason = Optional.empty();

    /**
     * A text without new tokens.
     *
     * @param prompt its beginning, shorter than {@code longest}
     * @param sampling how to choose, with a seed of its own
     * @param longest the most tokens of prompt and text
     * @param topLogprobs how many log-probabilities to tell of each token, or empty for not even its own
     */
    Continuation(int[] prompt, Sampling sampling, int longest, OptionalInt topLogprobs) {
        this.prompt = prompt;
        this.sampling = sampling;
        this.topLogprobs = topLogprobs;
        sampler = new Sampler(sampling);
        Arrays.stream(prompt).forEach(seen::set);
        most = Math.min(sampling.maxNewTokens(), longest - prompt.length);
        atMost = most == sampling.maxNewTokens() ? StopReason.MAX_NEW_TOKENS : StopReason.CONTEXT_FULL;
        made = new int[most];
    }

    /** The most tokens it can get. */
    int most() {
        return most;
    }

    boolean ended() {
        return stopReason.isPresent();
    }

    /** The token at a column of the batch, where {@code padding} columns stand before the prompt. */
    int promptToken(int column, int padding) {
        return column < padding ? NOTHING : prompt[column - padding];
    }

    /** The token to read next. */
    int unread() {
        return ended() ? NOTHING : made[count - 1];
    }

    /** Chooses its next token, unless it has ended, and tells of it. */
    void extend(float[] logits, int sequence, TokenListener listener) {
        Optional<Sampler.Choice> choice = topLogprobs.isPresent()
                ? Optional.of(sampler.choose(logits, seen, topLogprobs.getAsInt()))
                : Optional.empty();
        int next = choice.isPresent() ? choice.get().token() : sampler.next(logits, seen);
        if (sampling.stopTokens().contains(next)) {
            stopReason = Optional.of(StopReason.STOP_TOKEN);
            return;
        }
        seen.set(next);
        made[count++] = next;
        if (count == most) {
            stopReason = Optional.of(atMost);
        }
        choice.ifPresent(choices::add);
        choice.ifPresentOrElse(c -> listener.onChoice(sequence, c), () -> listener.onToken(sequence, next));
    }

    /** What it has become. */
    Generation result() {
        return new Generation(Arrays.copyOf(made, count), choices, stopReason.orElseThrow());
    }
}
