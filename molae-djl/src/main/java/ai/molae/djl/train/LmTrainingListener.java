package ai.molae.djl.train;

import ai.molae.djl.moe.LayerRouting;
import ai.molae.route.LoadStatistics;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;

/** Told what happens during training, on the training thread. */
public interface LmTrainingListener {

    /**
     * Before the first step, or the first after resuming.
     *
     * @param step optimizer steps done before, 0 for a new run; what a listener has written of later ones is void
     */
    default void onStart(long step) {}

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
     * Before a checkpoint is written. What a listener has written of the steps before must last from here on: it is not told of them again.
     *
     * @param step optimizer steps done
     */
    default void beforeCheckpoint(long step) {}

    /**
     * After a checkpoint was written.
     *
     * @param step optimizer steps done
     * @param folder where it is
     */
    default void onCheckpoint(long step, Path folder) {}

    /** When training ends, by itself, by {@link LmTrainer#stop()} or by an exception. */
    default void onEnd() {}

    /**
     * Several listeners as one. Each is told of every event, in their order; one that throws does not keep the others from being told.
     *
     * @param listeners the listeners
     * @return a listener that throws what the first of them threw, after all were told; what others threw is suppressed in it
     */
    static LmTrainingListener all(List<? extends LmTrainingListener> listeners) {
        return new CombinedListener(List.copyOf(listeners));
    }

    /**
     * An optimizer step.
     *
     * @param step its number, from 1
     * @param steps how many there will be; an estimate if training ends by tokens
     * @param loss mean cross-entropy of the step's labels in nats, without auxiliary losses; with a teacher {@link
     *     ai.molae.djl.lm.DistillationLoss}
     * @param auxLoss sum of the auxiliary losses with their coefficients
     * @param gradientNorm global gradient norm before clipping
     * @param learningRate the learning rate used
     * @param tokens tokens trained on so far, padding left out
     * @param stepTokens tokens of this step
     * @param stepSeconds time of this step
     * @param trainingSeconds time spent in steps so far, evaluations and checkpoints excluded, over all resumptions
     * @param flopsUtilisation model FLOP/s of this step relative to the measured peak of the arithmetic, recomputation not counted; NaN if
     *     no peak was measured
     * @param nativeBytes native memory in use after the step, where that can be measured
     * @param routing what the router of each MoE layer did
     */
    record Step(
            long step,
            long steps,
            double loss,
            double auxLoss,
            double gradientNorm,
            double learningRate,
            long tokens,
            long stepTokens,
            double stepSeconds,
            double trainingSeconds,
            double flopsUtilisation,
            OptionalLong nativeBytes,
            List<LayerRouting> routing) {

        /**
         * Copies the list.
         *
         * @param step its number
         * @param steps how many there will be
         * @param loss cross-entropy
         * @param auxLoss auxiliary losses
         * @param gradientNorm before clipping
         * @param learningRate the learning rate
         * @param tokens tokens so far
         * @param stepTokens tokens of this step
         * @param stepSeconds its time
         * @param trainingSeconds all time
         * @param flopsUtilisation share of the peak
         * @param nativeBytes native memory
         * @param routing by MoE layer
         */
        public Step {
            routing = List.copyOf(routing);
        }

        /**
         * How the step's tokens spread over the experts.
         *
         * @return the load of each MoE layer
         */
        public List<LoadStatistics> load() {
            return routing.stream().map(LayerRouting::load).toList();
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
     * @param loss mean cross-entropy of the validation labels, in nats per token
     * @param tokens validation labels
     */
    record Evaluation(long step, double loss, long tokens) {}
}
