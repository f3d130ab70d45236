package ai.molae.djl.data;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What a line of JSON says: a text, a prompt with its completion, or a conversation. */
final class JsonLine {

    private static final String MESSAGES = "messages";
    private static final String PROMPT = "prompt";
    private static final String COMPLETION = "completion";
    private static final String WEIGHT = "weight";
    private static final Set<String> MESSAGE_KEYS = Set.of("role", "content", WEIGHT);

    private JsonLine() {}

    /** The document of a line; what is wrong with the line is an {@link IllegalArgumentException}. */
    static TokenDocument encode(String line, DocumentEncoder encoder, String textKey) {
        JsonObject object = parse(line);
        boolean chat = object.has(MESSAGES);
        boolean completion = object.has(COMPLETION);
        boolean text = object.has(textKey);
        if ((chat ? 1 : 0) + (completion ? 1 : 0) + (text ? 1 : 0) != 1) {
            throw new IllegalArgumentException("an object needs one of " + textKey + ", " + MESSAGES + ", or " + PROMPT
                    + " with " + COMPLETION + "; it has " + object.keySet());
        }
        if (chat) {
            return chat(object, encoder);
        }
        return completion
                ? encoder.completion(text(object, PROMPT, "the line "), text(object, COMPLETION, "the line "))
                : encoder.text(text(object, textKey, "the line "));
    }

    private static JsonObject parse(String line) {
        try (JsonReader reader = new JsonReader(new StringReader(line))) {
            reader.setStrictness(Strictness.STRICT);
            JsonElement element = JsonParser.parseReader(reader);
            if (!element.isJsonObject() || reader.peek() != JsonToken.END_DOCUMENT) {
                throw new IllegalArgumentException("a line must be one JSON object");
            }
            return element.getAsJsonObject();
        } catch (JsonParseException | IOException e) {
            throw new IllegalArgumentException("the line is not JSON: " + e.getMessage(), e);
        }
    }

    private static String text(JsonObject object, String key, String where) {
        JsonElement value = object.get(key);
        if (value == null) {
            throw new IllegalArgumentException(where + "has no " + key + "; it has " + object.keySet());
        }
        if (!value.isJsonPrimitive() || !value.getAsJsonPrimitive().isString()) {
            throw new IllegalArgumentException(where + "has a " + key + " that is no text");
        }
        return value.getAsString();
    }

    private static TokenDocument chat(JsonObject object, DocumentEncoder encoder) {
        JsonElement tools = object.get("tools");
        if (tools != null
                && !tools.isJsonNull()
                && !(tools.isJsonArray() && tools.getAsJsonArray().isEmpty())) {
            throw new IllegalArgumentException("the conversation has tools, which are not supported");
        }
        if (!object.get(MESSAGES).isJsonArray()) {
            throw new IllegalArgumentException(MESSAGES + " must be a list");
        }
        List<ChatMessage> messages = new ArrayList<>();
        boolean[] answers = new boolean[object.getAsJsonArray(MESSAGES).size()];
        for (JsonElement element : object.getAsJsonArray(MESSAGES)) {
            String where = "message " + (messages.size() + 1) + " ";
            if (!element.isJsonObject()) {
                throw new IllegalArgumentException(where + "must be an object");
            }
            JsonObject message = element.getAsJsonObject();
            for (Map.Entry<String, JsonElement> entry : message.entrySet()) {
                if (!MESSAGE_KEYS.contains(entry.getKey()) && !entry.getValue().isJsonNull()) {
                    throw new IllegalArgumentException(where + "has " + entry.getKey()
                            + ", which is not supported; a message has role and content");
                }
            }
            String role = text(message, "role", where);
            answers[messages.size()] = role.equals("assistant") && weight(message, where);
            messages.add(new ChatMessage(role, text(message, "content", where)));
        }
        return encoder.chat(messages, answers);
    }

    /** Whether an answer is trained on: {@code "weight": 0} says that it is not. */
    private static boolean weight(JsonObject message, String where) {
        JsonElement weight = message.get(WEIGHT);
        if (weight == null || weight.isJsonNull()) {
            return true;
        }
        String value = weight.toString();
        if (!value.equals("0") && !value.equals("1")) {
            throw new IllegalArgumentException(where + "has the weight " + value + "; 0 and 1 are possible");
        }
        return value.equals("1");
    }
}
