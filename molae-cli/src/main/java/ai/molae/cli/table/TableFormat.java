package ai.molae.cli.table;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** How tables are written. */
public enum TableFormat {
    /** Aligned columns, for people. */
    TEXT,
    /** Tables and notes with all digits, for programs. */
    JSON,
    /** A line for each number: table, row, column, value; without the notes. */
    CSV,
    /** Tables for a page. */
    MARKDOWN;

    private static final Gson GSON = new GsonBuilder()
            .setPrettyPrinting()
            .serializeNulls()
            .disableHtmlEscaping()
            .create();

    /**
     * Writes tables.
     *
     * @param tables the tables
     * @param notes sentences under them
     * @return the text, ending in a line break
     */
    public String write(List<Table> tables, List<String> notes) {
        return switch (this) {
            case TEXT -> paragraphs(tables.stream().map(TextTable::text).toList(), notes);
            case MARKDOWN -> paragraphs(tables.stream().map(TextTable::markdown).toList(), notes);
            case JSON -> GSON.toJson(json(tables, notes)) + "\n";
            case CSV -> csv(tables);
        };
    }

    private static String paragraphs(List<String> tables, List<String> notes) {
        String text = String.join("\n", tables);
        return notes.isEmpty() ? text : text + "\n" + String.join("\n", notes) + "\n";
    }

    /**
     * Tables as JSON: one key each, with an array of objects, or for properties an object.
     *
     * @param tables the tables
     * @param notes sentences under them
     * @return the object
     */
    public static JsonObject json(List<Table> tables, List<String> notes) {
        JsonObject json = new JsonObject();
        for (Table table : tables) {
            json.add(Table.key(table.title()), table.properties() ? properties(table) : rows(table));
        }
        if (!notes.isEmpty()) {
            JsonArray sentences = new JsonArray();
            notes.forEach(sentences::add);
            json.add("notes", sentences);
        }
        return json;
    }

    private static JsonElement properties(Table table) {
        JsonObject object = new JsonObject();
        table.rows().forEach(row -> object.add(Table.key(row.get(0).text()), value(row.get(1))));
        return object;
    }

    private static JsonElement rows(Table table) {
        JsonArray rows = new JsonArray();
        for (List<Cell> row : table.rows()) {
            JsonObject object = new JsonObject();
            for (int i = 0; i < row.size(); i++) {
                object.add(Table.key(table.columns().get(i)), value(row.get(i)));
            }
            rows.add(object);
        }
        return rows;
    }

    private static JsonElement value(Cell cell) {
        Object value = cell.value().orElse("");
        if (cell.value().isEmpty()) {
            return JsonNull.INSTANCE;
        }
        if (value instanceof Number number) {
            return new JsonPrimitive(number);
        }
        return value instanceof Boolean truth ? new JsonPrimitive(truth) : new JsonPrimitive(value.toString());
    }

    private static String csv(List<Table> tables) {
        StringBuilder text = new StringBuilder("table,row,column,value\n");
        for (Table table : tables) {
            for (List<Cell> row : table.rows()) {
                for (int i = 1; i < row.size(); i++) {
                    List<String> line = List.of(
                            table.title(),
                            row.get(0).text().strip(),
                            table.columns().get(i),
                            row.get(i).value().map(Object::toString).orElse(""));
                    text.append(line.stream().map(Csv::quoted).collect(Collectors.joining(",", "", "\n")));
                }
            }
        }
        return text.toString();
    }

    /** The name as the user writes it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
