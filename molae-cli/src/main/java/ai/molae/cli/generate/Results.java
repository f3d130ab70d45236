package ai.molae.cli.generate;

import ai.molae.cli.model.ModelTokenizer;
import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Table;
import ai.molae.cli.table.TableFormat;
import ai.molae.djl.generate.Generation;
import ai.molae.djl.generate.Sampler;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Writes down what became of the prompts. */
final class Results {

    private static final int LABEL = 60;
    private static final Gson GSON =
            new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create();

    private final ModelTokenizer tokenizer;

    Results(ModelTokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** The outputs under their prompts. */
    String labelled(List<String> prompts, List<Generation> generations) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < prompts.size(); i++) {
            Generation generation = generations.get(i);
            text.append(i == 0 ? "" : "\n")
                    .append("--- ")
                    .append(i + 1)
                    .append(": ")
                    .append(label(prompts.get(i)))
                    .append(" ---\n")
                    .append(tokenizer.decodeVisible(generation.tokens()))
                    .append('\n')
                    .append(logprobs(generation));
        }
        return text.toString();
    }

    private static String label(String prompt) {
        String line = prompt.strip().replaceAll("\\s+", " ");
        int end = Math.min(LABEL, line.length());
        if (end < line.length() && Character.isHighSurrogate(line.charAt(end - 1))) {
            end--;
        }
        return end < line.length() ? line.substring(0, end) + "..." : line;
    }

    /** A table of the tokens and what else was probable in their place; empty unless the generator told. */
    String logprobs(Generation generation) {
        if (generation.choices().isEmpty()) {
            return "";
        }
        Table.Builder table = Table.of("Tokens", "token", "id", "logprob", "probability", "most probable");
        for (Sampler.Choice choice : generation.choices()) {
            table.row(
                    quoted(choice.token()),
                    Cell.id(choice.token()),
                    Cell.number(choice.logprob(), 4),
                    Cell.share(Math.exp(choice.logprob())),
                    Cell.text(choice.top().stream()
                            .map(top -> String.format(Locale.ROOT, "%s %.4f", quoted(top.token()), top.logprob()))
                            .collect(Collectors.joining("  "))));
        }
        return "\n" + TableFormat.TEXT.write(List.of(table.build()), List.of());
    }

    private String quoted(int token) {
        return GSON.toJson(tokenizer.decode(new int[] {token}));
    }

    /** Everything for programs. */
    String json(List<String> prompts, List<Generation> generations, Statistics statistics) {
        JsonArray outputs = new JsonArray();
        for (int i = 0; i < prompts.size(); i++) {
            outputs.add(output(prompts.get(i), generations.get(i)));
        }
        JsonObject json = new JsonObject();
        json.add("outputs", outputs);
        json.add("statistics", statistics.json());
        return GSON.toJson(json) + "\n";
    }

    private JsonObject output(String prompt, Generation generation) {
        JsonObject output = new JsonObject();
        output.addProperty("prompt", prompt);
        output.addProperty("text", tokenizer.decodeVisible(generation.tokens()));
        output.addProperty("stop_reason", generation.stopReason().name().toLowerCase(Locale.ROOT));
        JsonArray ids = new JsonArray();
        for (int token : generation.tokens()) {
            ids.add(token);
        }
        output.add("tokens", ids);
        if (!generation.choices().isEmpty()) {
            JsonArray choices = new JsonArray();
            for (Sampler.Choice choice : generation.choices()) {
                JsonObject json = logprob(choice.token(), choice.logprob());
                JsonArray top = new JsonArray();
                choice.top().forEach(other -> top.add(logprob(other.token(), other.logprob())));
                json.add("top", top);
                choices.add(json);
            }
            output.add("logprobs", choices);
        }
        return output;
    }

    private JsonObject logprob(int token, double logprob) {
        JsonObject json = new JsonObject();
        json.addProperty("token", token);
        json.addProperty("text", tokenizer.decode(new int[] {token}));
        json.addProperty("logprob", logprob);
        return json;
    }
}
