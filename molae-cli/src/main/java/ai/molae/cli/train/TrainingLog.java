package ai.molae.cli.train;

import ai.molae.djl.train.LmTrainingListener;
import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Writes every step and evaluation as a line of JSON, and passes it on. */
final class TrainingLog implements LmTrainingListener, AutoCloseable {

    /** Its name in a checkpoint folder. */
    static final String FILE = "training.jsonl";

    private final BufferedWriter out;
    private final LmTrainingListener next;
    private final Gson gson = new Gson();
    private final List<Evaluation> evaluations = new ArrayList<>();
    private long steps;
    private long tokens;

    TrainingLog(Path file, LmTrainingListener next) throws IOException {
        out = Files.newBufferedWriter(file);
        this.next = next;
    }

    @Override
    public void onStep(Step step) {
        steps = step.step();
        tokens = step.tokens();
        JsonObject line = new JsonObject();
        line.addProperty("step", step.step());
        line.addProperty("loss", step.loss());
        line.addProperty("aux_loss", step.auxLoss());
        line.addProperty("gradient_norm", step.gradientNorm());
        line.addProperty("learning_rate", step.learningRate());
        line.addProperty("tokens", step.tokens());
        line.addProperty("seconds", step.trainingSeconds());
        write(line);
        next.onStep(step);
    }

    @Override
    public void onEvaluation(Evaluation evaluation) {
        evaluations.add(evaluation);
        JsonObject line = new JsonObject();
        line.addProperty("step", evaluation.step());
        line.addProperty("validation_loss", evaluation.loss());
        line.addProperty("validation_tokens", evaluation.tokens());
        write(line);
        next.onEvaluation(evaluation);
    }

    private void write(JsonObject line) {
        try {
            out.write(gson.toJson(line));
            out.write('\n');
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write the training log: " + e.getMessage(), e);
        }
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

    @Override
    public void close() throws IOException {
        out.close();
    }
}
