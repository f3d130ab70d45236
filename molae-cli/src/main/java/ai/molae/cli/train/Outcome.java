package ai.molae.cli.train;

import ai.molae.djl.train.LmTrainingListener;
import java.util.ArrayList;
import java.util.List;

/** What a run has come to, for the report at its end. */
final class Outcome implements LmTrainingListener {

    private final List<Evaluation> evaluations = new ArrayList<>();
    private long steps;
    private long tokens;

    @Override
    public void onStep(Step step) {
        steps = step.step();
        tokens = step.tokens();
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

    Evaluation firstEvaluation() {
        return evaluations.get(0);
    }

    Evaluation lastEvaluation() {
        return evaluations.get(evaluations.size() - 1);
    }
}
