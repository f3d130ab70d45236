package ai.molae.djl.train;

import ai.molae.route.LoadStatistics;
import java.util.List;

/** Told what happens during training, on the training thread. */
public interface LmTrainingListener {

    /**
     * After every optimizer step.
     *
     * @param step what the step did
     */
    default void onStep(Step step) {}

    /**
     * After every evaluation.
     *
     * @param evaluation what it found
     */
    default void onEvaluation(Evaluation evaluation) {}

    /**
     * An optimizer step.
     *
     * @param step its number, from 1
     * @param steps how many there will be
     * @param loss mean cross-entropy of the step's tokens in nats, without the auxiliary loss
     * @param auxLoss sum of the layers' auxiliary losses
     * @param gradientNorm global gradient norm before clipping
     * @param learningRate the learning rate used
     * @param tokens tokens trained on so far
     * @param trainingSeconds time spent training so far, evaluations excluded
     * @param load how the step's tokens spread over the experts, per MoE layer
     */
    record Step(
            long step,
            long steps,
            double loss,
            double auxLoss,
            double gradientNorm,
            double learningRate,
            long tokens,
            double trainingSeconds,
            List<LoadStatistics> load) {

        /**
         * Copies the list.
         *
         * @param step its number, from 1
         * @param steps how many there will be
         * @param loss mean cross-entropy of the step's tokens in nats, without the auxiliary loss
         * @param auxLoss sum of the layers' auxiliary losses
         * @param gradientNorm global gradient norm before clipping
         * @param learningRate the learning rate used
         * @param tokens tokens trained on so far
         * @param trainingSeconds time spent training so far, evaluations excluded
         * @param load how the step's tokens spread over the experts, per MoE layer
         */
        public Step {
            load = List.copyOf(load);
        }

        /**
         * The mean speed so far.
         *
         * @return tokens per second
         */
        public double tokensPerSecond() {
            return tokens / trainingSeconds;
        }

        /**
         * The time that the rest of the steps will take at that speed.
         *
         * @return seconds
         */
        public double remainingSeconds() {
            return trainingSeconds / step * (steps - step);
        }
    }

    /**
     * An evaluation.
     *
     * @param step optimizer steps done before it
     * @param loss mean cross-entropy of the validation tokens, in nats per token
     * @param tokens validation tokens
     */
    record Evaluation(long step, double loss, long tokens) {}
}
