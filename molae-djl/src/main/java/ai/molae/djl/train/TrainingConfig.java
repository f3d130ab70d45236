package ai.molae.djl.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * How to train. Training ends when its steps or its tokens are reached, whichever comes first. Auxiliary losses, their coefficients and expert
 * capacity belong to the model ({@link ai.molae.spec.RouterSpec}).
 *
 * @param steps optimizer steps at most; {@link Long#MAX_VALUE} if only tokens decide
 * @param tokens tokens at most, padding left out; {@link Long#MAX_VALUE} if only steps decide
 * @param batchSize B, sequences per forward and backward pass
 * @param gradientAccumulation passes per optimizer step; their gradients add up to those of one large batch
 * @param schedule learning rate by tokens
 * @param optimizer which optimizer
 * @param parameterGroups parameters that train differently; the first that matches decides
 * @param maxGradientNorm the global gradient norm is scaled down to this; 0 for never
 * @param biasUpdateSpeed γ of the update of correction biases after every step, in layers whose router trains; 0 for none
 * @param evaluateEvery optimizer steps between evaluations; 0 for the end only
 * @param evaluationBatches batches per evaluation, from the start of the validation data; 0 for all
 * @param divergenceMargin nats that the smoothed loss may rise above its lowest; 0 for any
 * @param seed seed of what is random in training
 * @param measurePeak whether the peak of the machine's arithmetic is measured before the first step, which takes about a second, so that steps tell their share of it
 * @param checkMemory whether a run that cannot fit into memory is refused before its first step
 */
public record TrainingConfig(
        long steps,
        long tokens,
        int batchSize,
        int gradientAccumulation,
        LearningRateSchedule schedule,
        OptimizerSpec optimizer,
        List<ParameterGroup> parameterGroups,
        double maxGradientNorm,
        double biasUpdateSpeed,
        long evaluateEvery,
        int evaluationBatches,
        double divergenceMargin,
        long seed,
        boolean measurePeak,
        boolean checkMemory) {

    /**
     * Validates the fields.
     *
     * @param steps see above
     * @param tokens see above
     * @param batchSize see above
     * @param gradientAccumulation see above
     * @param schedule see above
     * @param optimizer see above
     * @param parameterGroups see above
     * @param maxGradientNorm see above
     * @param biasUpdateSpeed see above
     * @param evaluateEvery see above
     * @param evaluationBatches see above
     * @param divergenceMargin see above
     * @param seed see above
     * @param measurePeak see above
     * @param checkMemory see above
     * @throws IllegalArgumentException if a field is out of range; the message names it and its value
     */
    public TrainingConfig {
        atLeast("steps", steps, 1);
        atLeast("tokens", tokens, 1);
        if (steps == Long.MAX_VALUE && tokens == Long.MAX_VALUE) {
            throw new IllegalArgumentException("training would never end; use setSteps or setTokens");
        }
        atLeast("batchSize", batchSize, 1);
        atLeast("gradientAccumulation", gradientAccumulation, 1);
        Objects.requireNonNull(schedule, "schedule");
        Objects.requireNonNull(optimizer, "optimizer");
        parameterGroups = List.copyOf(parameterGroups);
        atLeast("maxGradientNorm", maxGradientNorm);
        atLeast("biasUpdateSpeed", biasUpdateSpeed);
        atLeast("evaluateEvery", evaluateEvery, 0);
        atLeast("evaluationBatches", evaluationBatches, 0);
        atLeast("divergenceMargin", divergenceMargin);
    }

    private static void atLeast(String name, long value, long least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
        }
    }

    private static void atLeast(String name, double value) {
        if (!(value >= 0 && value <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException(name + " must be finite and at least 0, got " + value);
        }
    }

    /** What a resumed run must have in common with the one that was stopped, as text. */
    Map<String, String> settings() {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("steps", steps == Long.MAX_VALUE ? "any" : String.valueOf(steps));
        settings.put("tokens", tokens == Long.MAX_VALUE ? "any" : String.valueOf(tokens));
        settings.put("batch_size", String.valueOf(batchSize));
        settings.put("gradient_accumulation", String.valueOf(gradientAccumulation));
        settings.put("schedule", schedule.describe().toString());
        settings.put("optimizer", optimizer.describe().toString());
        settings.put(
                "parameter_groups",
                parameterGroups.stream().map(ParameterGroup::describe).toList().toString());
        settings.put("max_gradient_norm", String.valueOf(maxGradientNorm));
        settings.put("bias_update_speed", String.valueOf(biasUpdateSpeed));
        settings.put("seed", String.valueOf(seed));
        return settings;
    }

    /**
     * A builder with the usual settings for language models: AdamW with betas 0.9 and 0.95, ε 1e-8 and weight decay 0.1, clipping at 1, a
     * constant learning rate of 1e-3 unless a schedule is set, and 0.001 for the update of correction biases, as DeepSeek-V3 has it.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds a {@link TrainingConfig}. */
    public static final class Builder {
        private long steps = Long.MAX_VALUE;
        private long tokens = Long.MAX_VALUE;
        private int batchSize;
        private int gradientAccumulation = 1;
        private LearningRateSchedule schedule = LearningRateSchedule.constant(1e-3);
        private OptimizerSpec optimizer = AdamWSpec.builder().build();
        private List<ParameterGroup> parameterGroups = new ArrayList<>();
        private double maxGradientNorm = 1;
        private double biasUpdateSpeed = 0.001;
        private long evaluateEvery;
        private int evaluationBatches;
        private double divergenceMargin = 3;
        private long seed;
        private boolean measurePeak;
        private boolean checkMemory = true;

        private Builder() {}

        /**
         * Sets the number of optimizer steps; this or the tokens must be set.
         *
         * @param steps the steps
         * @return this builder
         */
        public Builder setSteps(long steps) {
            this.steps = steps;
            return this;
        }

        /**
         * Sets after how many tokens training ends; this or the steps must be set.
         *
         * @param tokens the tokens, padding left out
         * @return this builder
         */
        public Builder setTokens(long tokens) {
            this.tokens = tokens;
            return this;
        }

        /**
         * Sets the sequences per pass.
         *
         * @param batchSize B
         * @return this builder
         */
        public Builder setBatchSize(int batchSize) {
            this.batchSize = batchSize;
            return this;
        }

        /**
         * Sets the passes per optimizer step (default 1). Cross-entropy is averaged over the labels of all passes, auxiliary losses over
         * their tokens.
         *
         * @param gradientAccumulation the passes
         * @return this builder
         */
        public Builder optGradientAccumulation(int gradientAccumulation) {
            this.gradientAccumulation = gradientAccumulation;
            return this;
        }

        /**
         * Sets the learning rate (default constant 1e-3).
         *
         * @param schedule the schedule
         * @return this builder
         */
        public Builder optSchedule(LearningRateSchedule schedule) {
            this.schedule = schedule;
            return this;
        }

        /**
         * Sets the optimizer (default AdamW).
         *
         * @param optimizer which, with its hyper-parameters
         * @return this builder
         */
        public Builder optOptimizer(OptimizerSpec optimizer) {
            this.optimizer = optimizer;
            return this;
        }

        /**
         * Adds parameters that train differently, behind those added before; a warm-up of the routers for instance.
         *
         * @param group which, and how
         * @return this builder
         */
        public Builder addParameterGroup(ParameterGroup group) {
            parameterGroups.add(group);
            return this;
        }

        /**
         * Sets the largest global gradient norm (default 1).
         *
         * @param maxGradientNorm the norm; 0 for no clipping
         * @return this builder
         */
        public Builder optMaxGradientNorm(double maxGradientNorm) {
            this.maxGradientNorm = maxGradientNorm;
            return this;
        }

        /**
         * Sets γ of the bias update (default 0.001), see {@link ai.molae.route.BalanceLoss#biasUpdate}.
         *
         * @param speed γ; 0 for no update
         * @return this builder
         */
        public Builder optBiasUpdateSpeed(double speed) {
            this.biasUpdateSpeed = speed;
            return this;
        }

        /**
         * Sets how often to evaluate (default at the end only).
         *
         * @param steps optimizer steps between evaluations; 0 for the end only
         * @param batches batches per evaluation; 0 for all validation data
         * @return this builder
         */
        public Builder optEvaluation(long steps, int batches) {
            this.evaluateEvery = steps;
            this.evaluationBatches = batches;
            return this;
        }

        /**
         * Sets how far the smoothed loss may rise above its lowest before training is stopped (default 3).
         *
         * @param nats the margin; 0 for any
         * @return this builder
         */
        public Builder optDivergenceMargin(double nats) {
            this.divergenceMargin = nats;
            return this;
        }

        /**
         * Sets the seed of dropout (default 0). The order of the data has its own.
         *
         * @param seed the seed
         * @return this builder
         */
        public Builder optSeed(long seed) {
            this.seed = seed;
            return this;
        }

        /**
         * Sets whether the peak of the machine's arithmetic is measured before the first step (default false).
         *
         * @param measurePeak true for {@link LmTrainingListener.Step#flopsUtilisation}
         * @return this builder
         */
        public Builder optMeasurePeak(boolean measurePeak) {
            this.measurePeak = measurePeak;
            return this;
        }

        /**
         * Sets whether a run that cannot fit into memory is refused before its first step (default true).
         *
         * @param checkMemory false to try nevertheless
         * @return this builder
         */
        public Builder optCheckMemory(boolean checkMemory) {
            this.checkMemory = checkMemory;
            return this;
        }

        /**
         * Builds the configuration.
         *
         * @return the validated configuration
         * @throws IllegalArgumentException if a field is out of range
         */
        public TrainingConfig build() {
            return new TrainingConfig(
                    steps,
                    tokens,
                    batchSize,
                    gradientAccumulation,
                    schedule,
                    optimizer,
                    parameterGroups,
                    maxGradientNorm,
                    biasUpdateSpeed,
                    evaluateEvery,
                    evaluationBatches,
                    divergenceMargin,
                    seed,
                    measurePeak,
                    checkMemory);
        }
    }
}
