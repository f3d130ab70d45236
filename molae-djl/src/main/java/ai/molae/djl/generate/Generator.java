package ai.molae.djl.generate;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.KvCache;
import ai.molae.spec.RopeScaling;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import java.util.function.IntConsumer;

/**
 * Makes token ids that continue prompts, one at a time, with a {@link KvCache}:
 *
 * <pre>{@code
 * int[] text = new Generator(model).generate(prompt, Sampling.greedy(100), id -> print(tokenizer.decode(id)));
 * }</pre>
 *
 * <p>Several prompts, of any lengths, are continued at once. Each gets the text it would get alone, up to rounding of the logits, unless
 * experts have a capacity: sequence i draws with the seed {@code sampling.seed() + i}, and ends by itself.
 *
 * <p>A text ends before a stop token, which is neither told nor returned, after {@code maxNewTokens}, or when prompt and new tokens together
 * fill the model's {@code maxPositionEmbeddings}. An interrupt of the thread ends the call with a {@link CancellationException} before the
 * next token, and leaves the thread interrupted.
 *
 * <p>Holds no state of a call and no native memory between calls: any number of threads may generate with one generator at once, and each
 * gets what it would get alone. The model must be initialized, or prepared for inference, and stay open, and must not be trained meanwhile.
 */
public final class Generator {

    private final CausalLm model;
    private final int prefillChunk;
    private final OptionalInt topLogprobs;

    /**
     * A generator with the defaults of the {@link Builder}.
     *
     * @param model an initialized model
     */
    public Generator(CausalLm model) {
        this(builder().setModel(model));
    }

    private Generator(Builder builder) {
        model = builder.model.orElseThrow(
                () -> new IllegalArgumentException("a Generator needs a model; use setModel"));
        prefillChunk = builder.prefillChunk;
        topLogprobs = builder.topLogprobs;
    }

    /**
     * A builder.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Continues a prompt.
     *
     * @param prompt at least one token id, fewer than the model's {@code maxPositionEmbeddings}
     * @param sampling how to choose tokens and when to stop
     * @return the new ids, without the prompt and without the stop token
     * @throws IllegalArgumentException if the prompt is empty, too long or has an id outside [0, V)
     */
    public int[] generate(int[] prompt, Sampling sampling) {
        return generate(prompt, sampling, token -> {});
    }

    /**
     * Continues a prompt and tells of each new token as soon as it is known.
     *
     * @param prompt at least one token id, fewer than the model's {@code maxPositionEmbeddings}
     * @param sampling how to choose tokens and when to stop
     * @param onToken called with each new id, on this thread; what it throws ends the generation and reaches the caller
     * @return the new ids, without the prompt and without the stop token
     * @throws IllegalArgumentException if the prompt is empty, too long or has an id outside [0, V)
     */
    public int[] generate(int[] prompt, Sampling sampling, IntConsumer onToken) {
        return generate(List.of(prompt), sampling, (sequence, token) -> onToken.accept(token))
                .get(0);
    }

    /**
     * Continues prompts.
     *
     * @param prompts each at least one token id, fewer than the model's {@code maxPositionEmbeddings}
     * @param sampling how to choose tokens and when to stop
     * @param listener hears of each new token
     * @return the new ids of each, without the prompt and without the stop token
     * @throws IllegalArgumentException if a prompt is empty, too long or has an id outside [0, V)
     */
    public List<int[]> generate(List<int[]> prompts, Sampling sampling, TokenListener listener) {
        return complete(prompts, sampling, listener).stream()
                .map(Generation::tokens)
                .toList();
    }

    /**
     * Continues a prompt and tells how it went.
     *
     * @param prompt at least one token id, fewer than the model's {@code maxPositionEmbeddings}
     * @param sampling how to choose tokens and when to stop
     * @return the new tokens, why they ended and, if this generator tells that, how probable they were
     * @throws IllegalArgumentException if the prompt is empty, too long or has an id outside [0, V)
     */
    public Generation complete(int[] prompt, Sampling sampling) {
        return complete(prompt, sampling, token -> {});
    }

    /**
     * Continues a prompt, tells of each new token as soon as it is known, and in the end how it went.
     *
     * @param prompt at least one token id, fewer than the model's {@code maxPositionEmbeddings}
     * @param sampling how to choose tokens and when to stop
     * @param onToken called with each new id, on this thread; what it throws ends the generation and reaches the caller
     * @return the new tokens, why they ended and, if this generator tells that, how probable they were
     * @throws IllegalArgumentException if the prompt is empty, too long or has an id outside [0, V)
     */
    public Generation complete(int[] prompt, Sampling sampling, IntConsumer onToken) {
        return complete(List.of(prompt), sampling, (sequence, token) -> onToken.accept(token))
                .get(0);
    }

    /**
     * Continues prompts and tells how it went.
     *
     * @param prompts each at least one token id, fewer than the model's {@code maxPositionEmbeddings}
     * @param sampling how to choose tokens and when to stop
     * @param listener hears of each new token
     * @return for each prompt the new tokens, why they ended and, if this generator tells that, how probable they were
     * @throws IllegalArgumentException if a prompt is empty, too long or has an id outside [0, V)
     */
    public List<Generation> complete(List<int[]> prompts, Sampling sampling, TokenListener listener) {
        if (prompts.isEmpty()) {
            return List.of();
        }
        Batch batch = new Batch(model, prompts, sampling, topLogprobs);
        try (NDManager manager = NDManager.newBaseManager(model.device(), "PyTorch")) {
            return batch.run(manager, prefillChunk, listener);
        }
    }

    /** Builds a {@link Generator}. */
    public static final class Builder {
        private Optional<CausalLm> model = Optional.empty();
        private int prefillChunk = 512;
        private OptionalInt topLogprobs = OptionalInt.empty();

        private Builder() {}

        /**
         * Sets the model.
         *
         * @param model an initialized model
         * @return this builder
         */
        public Builder setModel(CausalLm model) {
            this.model = Optional.of(model);
            return this;
        }

        /**
         * Sets how many tokens of the prompts are read at once (default 512), of all sequences together, but at least one of each: what a
         * long prompt needs in memory besides the cache grows with it. Prompts longer than a model with {@link RopeScaling.Dynamic} was
         * trained on are read at once.
         *
         * @param tokens number of tokens, positive
         * @return this builder
         * @throws IllegalArgumentException if it is not positive
         */
        public Builder optPrefillChunk(int tokens) {
            if (tokens < 1) {
                throw new IllegalArgumentException("prefillChunk must be positive, got " + tokens);
            }
            prefillChunk = tokens;
            return this;
        }

        /**
         * Lets results tell the log-probability of each token and of the most probable ones in its place (default: neither).
         *
         * @param count how many of the most probable tokens; 0 for the token's own log-probability only
         * @return this builder
         * @throws IllegalArgumentException if it is negative
         */
        public Builder optTopLogprobs(int count) {
            if (count < 0) {
                throw new IllegalArgumentException("topLogprobs must be at least 0, got " + count);
            }
            topLogprobs = OptionalInt.of(count);
            return this;
        }

        /**
         * Builds the generator.
         *
         * @return the generator
         * @throws IllegalArgumentException if no model was set
         */
        public Generator build() {
            return new Generator(this);
        }
    }
}
