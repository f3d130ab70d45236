package ai.molae.djl.data;

import ai.molae.djl.files.Shown;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Looks at the parts of a {@code tokenizer.json} before the native library does. That library (tokenizers 0.21.4 in DJL 0.35.1) is compiled so
 * that an error it does not expect ends the whole process. So only components are passed on that it is known to survive with any values, and
 * these are refused:
 *
 * <pre>
 *   normalizer Precompiled                its table is trusted: a damaged one is read out of bounds
 *   normalizer, decoder Replace           with a pattern that can match nothing, such as x*: it reads behind the end of the text
 *   normalizer Prepend                    of nothing: the same
 *   pre-tokenizer FixedLength             of length 0, and it is in no language model
 *   decoder Strip                         with a stop: it cuts behind the beginning of a short token
 *   post-processor TemplateProcessing     with special tokens that it does not explain, or a second time in a sequence
 *   model with continuing_subword_prefix  that is no prefix of its own tokens; BPE only
 *   any of them                           with numbers out of range or halves of characters
 * </pre>
 *
 * <p>No family of models that molae reads has one of them. {@link AddedTokens} looks at the added tokens.
 */
final class TokenizerComponents {

    /** Allowed types by the key of tokenizer.json. */
    private static final Map<String, Set<String>> TYPES = Map.of(
            "normalizer",
            Set.of(
                    "NFC",
                    "NFD",
                    "NFKC",
                    "NFKD",
                    "Lowercase",
                    "Strip",
                    "StripAccents",
                    "Nmt",
                    "ByteLevel",
                    "BertNormalizer",
                    "Prepend",
                    "Replace",
                    "Sequence"),
            "pre_tokenizer",
            Set.of(
                    "BertPreTokenizer",
                    "ByteLevel",
                    "CharDelimiterSplit",
                    "Metaspace",
                    "Whitespace",
                    "WhitespaceSplit",
                    "Punctuation",
                    "Digits",
                    "UnicodeScripts",
                    "Split",
                    "Sequence"),
            "post_processor",
            Set.of("RobertaProcessing", "BertProcessing", "ByteLevel", "TemplateProcessing", "Sequence"),
            "decoder",
            Set.of(
                    "BPEDecoder",
                    "ByteLevel",
                    "WordPiece",
                    "Metaspace",
                    "CTC",
                    "Replace",
                    "Fuse",
                    "Strip",
                    "ByteFallback",
                    "Sequence"));

    /** The key of a sequence's parts. */
    private static final Map<String, String> PARTS = Map.of(
            "normalizer", "normalizers",
            "pre_tokenizer", "pretokenizers",
            "post_processor", "processors",
            "decoder", "decoders");

    /** Characters, escapes, properties such as \\p{L}, and classes in a row, none of them optional: it matches one character at least. */
    private static final Pattern MATCHES_SOMETHING =
            Pattern.compile("(?:(?:[^\\\\\\[\\](){}*+?|^$]|\\\\[^bBAzZGKyY\\d]|\\\\[pP]\\{[A-Za-z_]+}"
                    + "|\\[\\^?(?:[^\\[\\]\\\\&]|\\\\[nrtsSdDwW])+])(?:\\+|\\{[1-9]\\d{0,2}(?:,\\d{0,3})?})?)+");

    /** Two bounds. If the upper one is less, the library's regular expressions swap them, and x{1,0} may match nothing. */
    private static final Pattern BOUNDS = Pattern.compile("\\{(\\d{1,3}),(\\d{1,3})}");

    private static final int LONGEST_REGEX = 200;

    private TokenizerComponents() {}

    /** Whether a key of tokenizer.json is that of a component. */
    static boolean isComponent(String key) {
        return TYPES.containsKey(key);
    }

    /**
     * Checks a component with its parts, read strictly.
     *
     * @param file for messages
     * @param key one that {@link #isComponent} knows
     * @param component its value
     * @throws IllegalArgumentException if it is not passed on
     */
    static void check(Path file, String key, JsonElement component) {
        checkScalars(file, key, component);
        checkTypes(file, key, component);
        long templates = simpleParts(key, component)
                .filter(part -> text(part.get("type")).equals("TemplateProcessing"))
                .count();
        if (templates > 1) {
            throw refused(file, key + " TemplateProcessing", "stands there " + templates + " times, once is allowed");
        }
    }

    /** A component that is no sequence, or all those in a sequence and the sequences in it. */
    static Stream<JsonObject> simpleParts(String key, JsonElement component) {
        if (!component.isJsonObject()) {
            return Stream.empty();
        }
        JsonObject object = component.getAsJsonObject();
        JsonElement parts = object.get(PARTS.getOrDefault(key, ""));
        return text(object.get("type")).equals("Sequence") && parts != null && parts.isJsonArray()
                ? parts.getAsJsonArray().asList().stream().flatMap(part -> simpleParts(key, part))
                : Stream.of(object);
    }

    /** Numbers out of range and halves of characters, with which the library does not even get to the types. */
    private static void checkScalars(Path file, String key, JsonElement element) {
        if (element.isJsonObject()) {
            element.getAsJsonObject().asMap().forEach((name, value) -> {
                checkText(file, key, name);
                checkScalars(file, key, value);
            });
        } else if (element.isJsonArray()) {
            element.getAsJsonArray().forEach(value -> checkScalars(file, key, value));
        } else if (element.isJsonPrimitive()) {
            JsonPrimitive value = element.getAsJsonPrimitive();
            if (value.isNumber() && !Double.isFinite(value.getAsDouble())) {
                throw refused(file, key, "has a number out of range, " + Shown.value(value.getAsString()));
            }
            checkText(file, key, value.getAsString());
        }
    }

    private static void checkText(Path file, String key, String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw refused(file, key, "has a text with half of a character");
        }
    }

    private static void checkTypes(Path file, String key, JsonElement component) {
        if (component.isJsonNull()) {
            return;
        }
        JsonObject object = component.isJsonObject() ? component.getAsJsonObject() : new JsonObject();
        String type = text(object.get("type"));
        if (!TYPES.getOrDefault(key, Set.of()).contains(type)) {
            throw refused(
                    file,
                    key + " " + type,
                    "is not among those it is known to survive: "
                            + String.join(
                                    ", ",
                                    TYPES.getOrDefault(key, Set.of()).stream()
                                            .sorted()
                                            .toList()));
        }
        if (type.equals("Prepend") && text(object.get("prepend")).isEmpty()) {
            throw refused(file, key + " Prepend", "puts nothing in front");
        }
        if (key.equals("decoder")
                && type.equals("Strip")
                && !text(object.get("stop")).equals("0")) {
            throw refused(
                    file,
                    key + " Strip",
                    "must have the stop 0, got " + Shown.value(String.valueOf(object.get("stop"))));
        }
        if (type.equals("Replace")) {
            checkPattern(file, key, object.get("pattern"));
        }
        if (type.equals("TemplateProcessing")) {
            checkTemplate(file, key, object.get("single"), object.get("special_tokens"), Set.of("A"));
            checkTemplate(file, key, object.get("pair"), object.get("special_tokens"), Set.of("A", "B"));
        }
        if (type.equals("Sequence")) {
            JsonElement parts = object.get(PARTS.getOrDefault(key, ""));
            if (parts == null || !parts.isJsonArray()) {
                throw refused(file, key + " Sequence", "has no list of parts");
            }
            parts.getAsJsonArray().forEach(part -> checkTypes(file, key, part));
        }
    }

    private static void checkPattern(Path file, String key, JsonElement pattern) {
        JsonObject object = pattern != null && pattern.isJsonObject() ? pattern.getAsJsonObject() : new JsonObject();
        String literal = text(object.get("String"));
        String regex = text(object.get("Regex"));
        boolean something = object.size() == 1
                && (!literal.isEmpty()
                        || (regex.length() <= LONGEST_REGEX
                                && MATCHES_SOMETHING.matcher(regex).matches()
                                && BOUNDS.matcher(regex)
                                        .results()
                                        .allMatch(bounds -> Integer.parseInt(bounds.group(1))
                                                <= Integer.parseInt(bounds.group(2)))));
        if (!something) {
            throw refused(
                    file,
                    key + " Replace",
                    "has a pattern that may match nothing: " + Shown.value(String.valueOf(pattern)));
        }
    }

    /** Every special token of a template must be explained, and every text be there. */
    private static void checkTemplate(
            Path file, String key, JsonElement pieces, JsonElement tokens, Set<String> texts) {
        JsonArray list = pieces != null && pieces.isJsonArray() ? pieces.getAsJsonArray() : new JsonArray();
        for (JsonElement piece : list) {
            String text = id(piece, "Sequence");
            String token = id(piece, "SpecialToken");
            if (!texts.contains(text) && !isExplained(token, tokens)) {
                throw refused(
                        file,
                        key + " TemplateProcessing",
                        "has a piece without a meaning: " + Shown.value(piece.toString()));
            }
        }
        if (list.isEmpty()) {
            throw refused(file, key + " TemplateProcessing", "has no list of pieces");
        }
    }

    private static String id(JsonElement piece, String kind) {
        JsonElement value = piece.isJsonObject() && piece.getAsJsonObject().size() == 1
                ? piece.getAsJsonObject().get(kind)
                : null;
        return value != null && value.isJsonObject()
                ? text(value.getAsJsonObject().get("id"))
                : "";
    }

    private static boolean isExplained(String token, JsonElement tokens) {
        JsonElement found = tokens != null && tokens.isJsonObject()
                ? tokens.getAsJsonObject().get(token)
                : null;
        return !token.isEmpty()
                && found != null
                && found.isJsonObject()
                && text(found.getAsJsonObject().get("id")).equals(token);
    }

    /** Refuses a prefix of tokens inside of words, which the library takes for granted in every merge. */
    static void checkPrefix(Path file, String type, JsonElement prefix) {
        if (!type.equals("WordPiece") && !text(prefix).isEmpty()) {
            throw refused(file, "continuing_subword_prefix", "must be empty, got " + Shown.value(prefix.toString()));
        }
    }

    static String text(@Nullable JsonElement element) {
        return element != null && element.isJsonPrimitive() ? element.getAsString() : "";
    }

    static IllegalArgumentException refused(Path file, String what, String why) {
        return new IllegalArgumentException(
                file + " is not given to the native tokenizer, which would end the process: " + Shown.value(what) + " "
                        + why);
    }
}
