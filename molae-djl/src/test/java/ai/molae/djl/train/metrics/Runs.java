package ai.molae.djl.train.metrics;

import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.LmTrainingListener.Evaluation;
import ai.molae.djl.train.LmTrainingListener.Step;
import ai.molae.route.LoadStatistics;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/** Steps to try metrics with. */
final class Runs {

    private Runs() {}

    /** A step of 8 tokens in half a second with two MoE layers of 4 and 2 experts. */
    static Step step(long step) {
        return new Step(
                step,
                10,
                4.0 / step,
                0.25,
                1.5,
                1e-4,
                8 * step,
                8,
                0.5,
                0.5 * step,
                0.375,
                OptionalLong.of(1_000_000_000_000L + step),
                List.of(
                        new LayerRouting(1, new LoadStatistics(new long[] {6, 2, 0, 8}, 3), 1.25, 1.5, 7.5),
                        new LayerRouting(3, new LoadStatistics(new long[] {8, 8}, 0), 0.5, 1, 2.5)));
    }

    /** A step of a dense model of which little is known. */
    static Step unknown(long step) {
        return new Step(
                step,
                10,
                Double.NaN,
                0,
                Double.POSITIVE_INFINITY,
                0.1,
                8,
                8,
                0,
                1,
                Double.NaN,
                OptionalLong.empty(),
                List.of());
    }

    /** Keeps what it is told of. */
    static final class Recorder implements LmTrainingListener {
        final List<Step> steps = new ArrayList<>();
        final List<Evaluation> evaluations = new ArrayList<>();

        @Override
        public void onStep(Step step) {
            steps.add(step);
        }

        @Override
        public void onEvaluation(Evaluation evaluation) {
            evaluations.add(evaluation);
        }
    }
}
