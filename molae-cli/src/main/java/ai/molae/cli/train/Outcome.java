package ai.molae.cli.train;

import ai.molae.djl.train.LmTrainingListener;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a run has come to, told by its metrics. */
final class Outcome implements LmTrainingListener {

    private final List<Evaluation> evaluations = new ArrayList<>();
    private long steps;
    private long tokens;
    private double seconds;
    private double utilisation;
    private long measured;

    @Override
    public void onStep(Step step) {
        steps = step.step();
        tokens = step.tokens();
        seconds = step.trainingSeconds();
        if (Double.isFinite(step.flopsUtilisation())) {
            utilisation += step.flopsUtilisation();
            measured++;
        }
    }

    @Override
    public void onEvaluation(Evaluation evaluation) {
        evaluations.add(evaluation);
    }

    long steps() {
        return steps;
    }

    long tokens() {
        return tokens;
    }

    double tokensPerSecond() {
        return tokens / seconds;
    }

    /** Model FLOP/s over the machine's peak, the mean of the steps; NaN if unknown. */
    double utilisation() {
        return measured == 0 ? Double.NaN : utilisation / measured;
    }

    Optional<Evaluation> firstEvaluation() {
        return evaluations.isEmpty() ? Optional.empty() : Optional.of(evaluations.get(0));
    }

    Optional<Evaluation> lastEvaluation() {
        return evaluations.isEmpty() ? Optional.empty() : Optional.of(evaluations.get(evaluations.size() - 1));
    }
}
