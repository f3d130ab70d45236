package ai.molae.djl.train;

import java.util.Objects;

/**
 * How to train.
 *
 * @param steps optimizer steps
 * @param batchSize windows per forward and backward pass
 * @param gradientAccumulation passes per optimizer step; gradients are averaged
 * @param schedule learning rate by step
 * @param weightDecay λ of AdamW, on matrices only
 * @param beta1 β₁ of AdamW
 * @param beta2 β₂ of AdamW
 * @param epsilon ε of AdamW
 * @param maxGradientNorm the global gradient norm is scaled down to this; 0 for never
 * @param evaluateEvery optimizer steps between evaluations; 0 for the end only
 * @param evaluationBatches batches of validation windows per evaluation, from the start of the validation text; 0 for all
 */
public record TrainingConfig(
        long steps,
        int batchSize,
        int gradientAccumulation,
        LearningRateSchedule schedule,
        double weightDecay,
        double beta1,
        double beta2,
        double epsilon,
        double maxGradientNorm,
        long evaluateEvery,
        int evaluationBatches) {

    /**
     * Validates the fields.
     *
     * @param steps optimizer steps
     * @param batchSize windows per forward and backward pass
     * @param gradientAccumulation passes per optimizer step; gradients are averaged
     * @param schedule learning rate by step
     * @param weightDecay λ of AdamW, on matrices only
     * @param beta1 β₁ of AdamW
     * @param beta2 β₂ of AdamW
     * @param epsilon ε of AdamW
     * @param maxGradientNorm the global gradient norm is scaled down to this; 0 for never
     * @param evaluateEvery optimizer steps between evaluations; 0 for the end only
     * @param evaluationBatches batches of validation windows per evaluation, from the start of the validation text; 0 for all
     * @throws IllegalArgumentException if a field is out of range; the message names it and its value
     */
    public TrainingConfig {
        atLeast("steps", steps, 1);
        atLeast("batchSize", batchSize, 1);
        atLeast("gradientAccumulation", gradientAccumulation, 1);
        Objects.requireNonNull(schedule, "schedule");
        if (!(maxGradientNorm >= 0)) {
            throw new IllegalArgumentException("maxGradientNorm must be at least 0, got " + maxGradientNorm);
        }
        AdamW.checkHyperParameters(beta1, beta2, epsilon, weightDecay);
        atLeast("evaluateEvery", evaluateEvery, 0);
        atLeast("evaluationBatches", evaluationBatches, 0);
    }

    private static void atLeast(String name, long value, long least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
        }
    }

    /**
     * A builder with AdamW's usual settings for language models: betas 0.9 and 0.95, ε 1e-8, weight decay 0.1, clipping at 1, and a constant
     * learning rate of 1e-3 unless a schedule is set.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds a {@link TrainingConfig}. */
    public static final class Builder {
        private long steps;
        private int batchSize;
        private int gradientAccumulation = 1;
        private LearningRateSchedule schedule = step -> 1e-3;
        private double weightDecay = 0.1;
        private double beta1 = 0.9;
        private double beta2 = 0.95;
        private double epsilon = 1e-8;
        private double maxGradientNorm = 1;
        private long evaluateEvery;
        private int evaluationBatches;

        private Builder() {}

        /**
         * Sets the number of optimizer steps.
         *
         * @param steps the steps
         * @return this builder
         */
        public Builder setSteps(long steps) {
            this.steps = steps;
            return this;
        }

        /**
         * Sets the windows per pass.
         *
         * @param batchSize the windows
         * @return this builder
         */
        public Builder setBatchSize(int batchSize) {
            this.batchSize = batchSize;
            return this;
        }

        /**
         * Sets the passes per optimizer step (default 1).
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
         * Sets AdamW's hyper-parameters (default 0.9, 0.95, 1e-8).
         *
         * @param beta1 β₁
         * @param beta2 β₂
         * @param epsilon ε
         * @return this builder
         */
        public Builder optAdam(double beta1, double beta2, double epsilon) {
            this.beta1 = beta1;
            this.beta2 = beta2;
            this.epsilon = epsilon;
            return this;
        }

        /**
         * Sets the weight decay of matrices (default 0.1).
         *
         * @param weightDecay λ
         * @return this builder
         */
        public Builder optWeightDecay(double weightDecay) {
            this.weightDecay = weightDecay;
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
         * Sets how often to evaluate (default at the end only).
         *
         * @param steps optimizer steps between evaluations
         * @param batches batches per evaluation; 0 for the whole validation text
         * @return this builder
         */
        public Builder optEvaluation(long steps, int batches) {
            this.evaluateEvery = steps;
            this.evaluationBatches = batches;
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
                    batchSize,
                    gradientAccumulation,
                    schedule,
                    weightDecay,
                    beta1,
                    beta2,
                    epsilon,
                    maxGradientNorm,
                    evaluateEvery,
                    evaluationBatches);
        }
    }
}
