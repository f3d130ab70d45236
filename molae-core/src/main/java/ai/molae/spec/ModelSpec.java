package ai.molae.spec;

import ai.molae.internal.Checks;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.UnaryOperator;

/**
 * A decoder-only language model: embedding, pre-norm layers {@code h += attention(norm(h)); h += feedForward(norm(h))},
 * final RMSNorm, head.
 *
 * @param vocabSize number of token ids ({@code vocab_size})
 * @param hiddenSize n
 * @param attention the attention of every layer
 * @param feedForwards the feed-forward part of every layer, first layer first ({@code num_hidden_layers} of them)
 * @param maxPositionEmbeddings longest sequence ({@code max_position_embeddings})
 * @param rmsNormEps ε of every RMSNorm ({@code rms_norm_eps})
 * @param tieWordEmbeddings whether the head uses the embedding's weight ({@code tie_word_embeddings})
 * @param initializerRange standard deviation of a freshly initialised weight ({@code initializer_range})
 */
public record ModelSpec(
        int vocabSize,
        int hiddenSize,
        AttentionSpec attention,
        List<FeedForwardSpec> feedForwards,
        int maxPositionEmbeddings,
        double rmsNormEps,
        boolean tieWordEmbeddings,
        double initializerRange) {

    /**
     * Validates the fields.
     *
     * @param vocabSize number of token ids
     * @param hiddenSize n
     * @param attention the attention of every layer
     * @param feedForwards the feed-forward part of every layer
     * @param maxPositionEmbeddings longest sequence
     * @param rmsNormEps ε of every RMSNorm
     * @param tieWordEmbeddings whether the head uses the embedding's weight
     * @param initializerRange standard deviation of a freshly initialised weight
     * @throws IllegalArgumentException if a field is out of range or a layer's hidden size differs from the model's
     */
    public ModelSpec {
        Objects.requireNonNull(attention, "attention");
        feedForwards = List.copyOf(feedForwards);
        SpecLimits.checkSize("vocabSize", vocabSize);
        SpecLimits.checkSize("hiddenSize", hiddenSize);
        SpecLimits.checkLayers(feedForwards.size());
        for (int i = 0; i < feedForwards.size(); i++) {
            int layerSize = feedForwards.get(i).hiddenSize();
            Checks.check(
                    layerSize == hiddenSize, "layer %d has hiddenSize %d, the model has %d", i, layerSize, hiddenSize);
        }
        SpecLimits.checkParameters(
                "a model of " + feedForwards.size() + " layers, hiddenSize = " + hiddenSize + ", vocabSize = "
                        + vocabSize,
                ParameterBound.model(vocabSize, hiddenSize, attention, feedForwards));
        Checks.positive("maxPositionEmbeddings", maxPositionEmbeddings);
        Checks.finitePositive("rmsNormEps", rmsNormEps);
        Checks.finitePositive("initializerRange", initializerRange);
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
     * The number of decoder layers.
     *
     * @return {@code num_hidden_layers}
     */
    public int numLayers() {
        return feedForwards.size();
    }

    /**
     * The same model with every MoE layer replaced.
     *
     * @param change what to make of a MoE layer
     * @return the changed model
     */
    public ModelSpec mapMoe(UnaryOperator<MoeSpec> change) {
        return mapLayers((i, layer) -> layer instanceof MoeSpec moe ? change.apply(moe) : layer);
    }

    /** What to make of the feed-forward part of a layer. */
    @FunctionalInterface
    public interface LayerChange {

        /**
         * Changes a layer.
         *
         * @param layer its number, from 0
         * @param feedForward what it has
         * @return what it is to have
         */
        FeedForwardSpec apply(int layer, FeedForwardSpec feedForward);
    }

    /**
     * The same model with other feed-forward parts.
     *
     * @param change what to make of each
     * @return the changed model
     */
    public ModelSpec mapLayers(LayerChange change) {
        List<FeedForwardSpec> changed = new ArrayList<>();
        for (int i = 0; i < feedForwards.size(); i++) {
            changed.add(change.apply(i, feedForwards.get(i)));
        }
        return new ModelSpec(
                vocabSize,
                hiddenSize,
                attention,
                changed,
                maxPositionEmbeddings,
                rmsNormEps,
                tieWordEmbeddings,
                initializerRange);
    }

    /** Builds a {@link ModelSpec}; the hidden size is that of the layers. */
    public static final class Builder {
        private int vocabSize;
        private Optional<AttentionSpec> attention = Optional.empty();
        private final List<FeedForwardSpec> feedForwards = new ArrayList<>();
        private int maxPositionEmbeddings = 2048;
        private double rmsNormEps = 1e-6;
        private boolean tieWordEmbeddings;
        private double initializerRange = 0.02;

        private Builder() {}

        /**
         * Sets the number of token ids.
         *
         * @param vocabSize {@code vocab_size}
         * @return this builder
         */
        public Builder setVocabSize(int vocabSize) {
            this.vocabSize = vocabSize;
            return this;
        }

        /**
         * Sets the attention of every layer.
         *
         * @param attention the attention
         * @return this builder
         */
        public Builder setAttention(AttentionSpec attention) {
            this.attention = Optional.of(attention);
            return this;
        }

        /**
         * Appends layers with the given feed-forward part.
         *
         * @param count how many
         * @param feedForward dense or MoE
         * @return this builder
         * @throws IllegalArgumentException if that are none, or more than {@link SpecLimits#LAYERS} together
         */
        public Builder addLayers(int count, FeedForwardSpec feedForward) {
            Checks.positive("number of layers to add", count);
            SpecLimits.checkLayers((int) Math.min(Integer.MAX_VALUE, (long) count + feedForwards.size()));
            feedForwards.addAll(Collections.nCopies(count, feedForward));
            return this;
        }

        /**
         * Sets the longest sequence (default 2048).
         *
         * @param maxPositionEmbeddings {@code max_position_embeddings}
         * @return this builder
         */
        public Builder optMaxPositionEmbeddings(int maxPositionEmbeddings) {
            this.maxPositionEmbeddings = maxPositionEmbeddings;
            return this;
        }

        /**
         * Sets ε of every RMSNorm (default 1e-6).
         *
         * @param rmsNormEps {@code rms_norm_eps}
         * @return this builder
         */
        public Builder optRmsNormEps(double rmsNormEps) {
            this.rmsNormEps = rmsNormEps;
            return this;
        }

        /**
         * Sets whether the head uses the embedding's weight (default false).
         *
         * @param tieWordEmbeddings {@code tie_word_embeddings}
         * @return this builder
         */
        public Builder optTieWordEmbeddings(boolean tieWordEmbeddings) {
            this.tieWordEmbeddings = tieWordEmbeddings;
            return this;
        }

        /**
         * Sets the standard deviation of fresh weights (default 0.02).
         *
         * @param initializerRange {@code initializer_range}
         * @return this builder
         */
        public Builder optInitializerRange(double initializerRange) {
            this.initializerRange = initializerRange;
            return this;
        }

        /**
         * Builds the spec.
         *
         * @return the validated spec
         * @throws IllegalArgumentException if a required field is missing or any field is out of range
         */
        public ModelSpec build() {
            Checks.check(attention.isPresent(), "a model needs an attention; use setAttention");
            Checks.check(!feedForwards.isEmpty(), "a model needs at least one layer, got none; use addLayers");
            return new ModelSpec(
                    vocabSize,
                    feedForwards.get(0).hiddenSize(),
                    attention.orElseThrow(),
                    feedForwards,
                    maxPositionEmbeddings,
                    rmsNormEps,
                    tieWordEmbeddings,
                    initializerRange);
        }
    }
}
