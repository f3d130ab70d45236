package ai.molae.djl.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** Tells several listeners, whatever becomes of one of them. */
record CombinedListener(List<LmTrainingListener> listeners) implements LmTrainingListener {

    @Override
    public void onStart(long step) {
        tell(listener -> listener.onStart(step));
    }

    @Override
    public void onStep(Step step) {
        tell(listener -> listener.onStep(step));
    }

    @Override
    public void onEvaluation(Evaluation evaluation) {
        tell(listener -> listener.onEvaluation(evaluation));
    }

    @Override
    public void beforeCheckpoint(long step) {
        tell(listener -> listener.beforeCheckpoint(step));
    }

    @Override
    public void onCheckpoint(long step, Path folder) {
        tell(listener -> listener.onCheckpoint(step, folder));
    }

    @Override
    public void onEnd() {
        tell(LmTrainingListener::onEnd);
    }

    private void tell(Consumer<LmTrainingListener> event) {
        List<RuntimeException> thrown = new ArrayList<>();
        for (LmTrainingListener listener : listeners) {
            try {
                event.accept(listener);
            } catch (RuntimeException e) {
                thrown.add(e);
            }
        }
        if (!thrown.isEmpty()) {
            RuntimeException first = thrown.get(0);
            thrown.stream().skip(1).filter(e -> e != first).forEach(first::addSuppressed);
            throw first;
        }
    }
}
