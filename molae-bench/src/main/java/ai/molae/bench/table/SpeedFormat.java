package ai.molae.bench.table;

import ai.molae.cli.table.Cell;
import ai.molae.cli.table.Csv;
import ai.molae.cli.table.Table;
import ai.molae.cli.table.TableFormat;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Writes speeds: a row each for people, an object or a line each, with all digits and every repetition, for programs. */
final class SpeedFormat {

    private static final double GIB = 1L << 30;
    private static final double MIB = 1L << 20;
    private static final Gson GSON =
            new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create();

    private SpeedFormat() {}

    /**
     * Writes a table.
     *
     * @param speeds its rows
     * @param format how
     * @return the text, ending in a line break
     */
    static String write(List<ModelSpeed> speeds, TableFormat format) {
        return switch (format) {
            case TEXT, MARKDOWN -> format.write(List.of(table(speeds)), List.of());
            case JSON -> GSON.toJson(speeds.stream().map(SpeedFormat::json).toList()) + "\n";
            case CSV -> csv(speeds);
        };
    }

    private static Table table(List<ModelSpeed> speeds) {
        Table.Builder table = Table.of(
                "Tokens per second", "model", "size", "params", "backend", "precision", "threads", "test", "t/s");
        for (ModelSpeed speed : speeds) {
            table.row(
                    speed.folder() + " (" + speed.modelType() + ")",
                    Cell.text(size(speed.weightBytes())),
                    Cell.text(count(speed.parameters())),
                    Cell.text("PyTorch " + speed.device()),
                    Cell.text(precision(speed)),
                    Cell.id(speed.threads()),
                    Cell.text(speed.test().toString()),
                    Cell.text(String.format(Locale.ROOT, "%.2f ± %.2f", speed.mean(), speed.standardDeviation())));
        }
        return table.build();
    }

    private static String precision(ModelSpeed speed) {
        return speed.precision().name().toLowerCase(Locale.ROOT);
    }

    private static String size(long bytes) {
        return bytes >= GIB
                ? String.format(Locale.ROOT, "%.2f GiB", bytes / GIB)
                : String.format(Locale.ROOT, "%.2f MiB", bytes / MIB);
    }

    private static String count(long parameters) {
        return parameters >= 1_000_000_000
                ? String.format(Locale.ROOT, "%.2f B", parameters / 1e9)
                : String.format(Locale.ROOT, "%.2f M", parameters / 1e6);
    }

    /** The names are llama-bench's where it has such a thing. */
    private static Map<String, Object> fields(ModelSpeed speed) {
        boolean prompt = speed.test().kind() == SpeedTest.Kind.PROMPT;
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("model", speed.folder());
        fields.put("model_type", speed.modelType());
        fields.put("model_size", speed.weightBytes());
        fields.put("model_n_params", speed.parameters());
        fields.put("backend", "PyTorch " + speed.device());
        fields.put("precision", precision(speed));
        fields.put("n_threads", speed.threads());
        fields.put("test", speed.test().toString());
        fields.put("n_prompt", prompt ? speed.test().tokens() : 0);
        fields.put("n_gen", prompt ? 0 : speed.test().tokens());
        fields.put("avg_ts", speed.mean());
        fields.put("stddev_ts", speed.standardDeviation());
        return fields;
    }

    private static Map<String, Object> json(ModelSpeed speed) {
        Map<String, Object> fields = fields(speed);
        fields.put("samples_ts", speed.samples());
        return fields;
    }

    /** RFC 4180 with a header line. */
    private static String csv(List<ModelSpeed> speeds) {
        Stream<String> header = speeds.stream().limit(1).map(speed -> line(fields(speed).keySet().stream()));
        Stream<String> lines = speeds.stream()
                .map(speed -> line(fields(speed).values().stream().map(String::valueOf)));
        return Stream.concat(header, lines).collect(Collectors.joining());
    }

    private static String line(Stream<String> cells) {
        return cells.map(Csv::quoted).collect(Collectors.joining(",", "", "\n"));
    }
}
