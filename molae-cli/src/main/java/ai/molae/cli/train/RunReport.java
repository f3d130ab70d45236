package ai.molae.cli.train;

import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import ai.molae.cli.table.TableFormat;
import ai.molae.djl.train.LmTrainingListener.Evaluation;
import ai.molae.djl.train.metrics.MetricsFile;
import ai.molae.djl.train.metrics.TrainingReport;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What is said at the end of a run, on the console and as a page. */
final class RunReport {

    private final RunFolder folder;
    private final String settings;

    RunReport(RunFolder folder, String settings) {
        this.folder = folder;
        this.settings = settings;
    }

    /** The page, if there is anything to see. */
    void writeHtml() {
        if (!Files.exists(folder.metrics())) {
            return;
        }
        Map<String, Object> facts = new LinkedHashMap<>();
        JsonObject options = JsonParser.parseString(settings).getAsJsonObject();
        options.entrySet()
                .forEach(option -> facts.put(
                        option.getKey(),
                        option.getValue().isJsonPrimitive()
                                ? option.getValue().getAsString()
                                : option.getValue().toString()));
        TrainingReport.builder()
                .setTitle("Training: " + folder.path().getFileName())
                .addRun("train", folder.metrics())
                .optSection("Options", facts)
                .build()
                .write(folder.report());
    }

    /** After the last step; a run that had it already says so. */
    String finished(boolean trained) {
        Outcome outcome = outcome();
        List<String> notes = new ArrayList<>();
        notes.add((trained ? "Trained " : "The run was finished already: ") + amount(outcome));
        notes.add("Model: " + folder.model());
        notes.add("Report: " + folder.report());
        return TableFormat.TEXT.write(tables(outcome), notes);
    }

    /** After Ctrl-C. */
    String interrupted() {
        Outcome outcome = outcome();
        return TableFormat.TEXT.write(
                tables(outcome),
                List.of(
                        "Interrupted after " + amount(outcome),
                        "Report: " + folder.report(),
                        "To go on: molae resume " + folder.path()));
    }

    private Outcome outcome() {
        Outcome outcome = new Outcome();
        if (Files.exists(folder.metrics())) {
            MetricsFile.replay(folder.metrics(), outcome);
        }
        return outcome;
    }

    private static String amount(Outcome outcome) {
        String amount = String.format(Locale.ROOT, "%,d steps, %,d tokens", outcome.steps(), outcome.tokens());
        if (outcome.steps() > 0) {
            amount += String.format(Locale.ROOT, ", %,.0f tokens/s", outcome.tokensPerSecond());
        }
        if (Double.isFinite(outcome.utilisation())) {
            amount += String.format(Locale.ROOT, ", MFU %.0f %%", 100 * outcome.utilisation());
        }
        return amount + ".";
    }

    private static List<Table> tables(Outcome outcome) {
        Optional<Evaluation> first = outcome.firstEvaluation();
        Optional<Evaluation> last = outcome.lastEvaluation();
        if (first.isEmpty() || last.isEmpty()) {
            return List.of();
        }
        Evaluation before = first.get();
        Evaluation after = last.get();
        return List.of(Table.of("Validation", "", "before", "after")
                .row("loss, nats per token", Cell.number(before.loss(), 4), Cell.number(after.loss(), 4))
                .row("perplexity", Cell.number(Math.exp(before.loss()), 3), Cell.number(Math.exp(after.loss()), 3))
                .build());
    }
}
