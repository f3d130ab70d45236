package ai.molae.djl.train;

import java.util.List;
import java.util.Objects;

/**
 * How to train.
 *
 * @param steps optimizer steps
 * @param batchSize windows per forward and backward pass
 * @param gradientAccumulation passes per optimizer step; gradients are averaged
 * @param schedule learning rate by tokens
 * @param optimizer which optimizer
 * @param parameterGroups parameters that train differently; the first that matches decides
 * @param maxGradientNorm the global gradient norm is scaled down to this; 0 for never
 * @param evaluateEvery optimizer steps between evaluations; 0 for the end only
 * @param evaluationBatches batches of validation windows per evaluation, from the start of the validation text; 0 for all
 */
public record TrainingConfig(
        long steps,
        int batchSize,
        int gradientAccumulation,
        LearningRateSchedule schedule,
        OptimizerSpec optimizer,
        List<ParameterGroup> parameterGroups,
        double maxGradientNorm,
        long evaluateEvery,
        int evaluationBatches) {

    /**
     * Validates the fields.
     *
     * @param steps optimizer steps
     * @param batchSize windows per forward and backward pass
     * @param gradientAccumulation passes per optimizer step; gradients are averaged
     * @param schedule learning rate by tokens
     * @param optimizer which optimizer
     * @param parameterGroups parameters that train differently; the first that matches decides
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
        Objects.requireNonNull(optimizer, "optimizer");
        parameterGroups = List.copyOf(parameterGroups);
        atLeast("evaluateEvery", evaluateEvery, 0);
        atLeast("evaluationBatches", evaluationBatches, 0);
    }

    private static void atLeast(String name, long value, long least) {
        if (value < least) {
            throw new IllegalArgumentException(name + " must be at least " + least + ", got " + value);
        }
    }

    /**
     * A builder with the usual {@link AdamWSpec}, clipping at 1, and a constant learning rate of 1e-3 unless a schedule is set.
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
        private LearningRateSchedule schedule = LearningRateSchedule.constant(1e-3);
        private OptimizerSpec optimizer = AdamWSpec.builder().build();
        private List<ParameterGroup> parameterGroups = List.of();
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
         * Sets the optimizer (default the usual {@link AdamWSpec}).
         *
         * @param optimizer the optimizer
         * @return this builder
         */
        public Builder optOptimizer(OptimizerSpec optimizer) {
            this.optimizer = optimizer;
            return this;
        }

        /**
         * Sets which parameters train differently (default none).
         *
         * @param groups the first that matches a parameter decides
         * @return this builder
         */
        public Builder optParameterGroups(ParameterGroup... groups) {
            this.parameterGroups = List.of(groups);
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
                    optimizer,
                    parameterGroups,
                    maxGradientNorm,
                    evaluateEvery,
                    evaluationBatches);
        }
    }
}
