package ai.molae.djl.hf;

import ai.molae.djl.json.StrictJson;
import com.google.gson.JsonObject;
import java.util.List;

/** JSON with the bare {@code Infinity}, {@code -Infinity} and {@code NaN} that Python writes and the standard does not have. */
final class PythonJson {

    private static final List<String> NOT_FINITE = List.of("-Infinity", "Infinity", "NaN");

    private PythonJson() {}

    /** Parses an object; such a number becomes {@code {"__float__": "Infinity"}}, as newer transformers write it. */
    static JsonObject parse(String text) {
        StringBuilder standard = new StringBuilder(text.length());
        boolean quoted = false;
        int i = 0;
        while (i < text.length()) {
            char c = text.charAt(i);
            String token = quoted ? "" : tokenAt(text, i);
            if (!token.isEmpty()) {
                standard.append("{\"__float__\": \"").append(token).append("\"}");
                i += token.length();
                continue;
            }
            standard.append(c);
            i++;
            if (c == '"') {
                quoted = !quoted;
            } else if (quoted && c == '\\' && i < text.length()) {
                standard.append(text.charAt(i++));
            }
        }
        return StrictJson.parse(standard.toString());
    }

    private static String tokenAt(String text, int at) {
        return NOT_FINITE.stream()
                .filter(token -> text.startsWith(token, at))
                .findFirst()
                .orElse("");
    }
}
