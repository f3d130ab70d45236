package ai.molae.djl.data;

import ai.molae.djl.data.jinja.JinjaException;
import ai.molae.djl.data.jinja.JinjaFunction;
import ai.molae.djl.data.jinja.JinjaTemplate;
import ai.molae.djl.files.Shown;
import ai.molae.djl.files.SmallText;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZonedDateTime;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * How a chat model wants a conversation written: the {@code chat_template} of its checkpoint, in Jinja (see {@link JinjaTemplate}).
 *
 * <pre>{@code
 * ChatTemplate template = ChatTemplate.load(folder).orElseThrow();
 * int[] prompt = tokenizer.encode(template.render(List.of(ChatMessage.user("Hello!")), true));
 * }</pre>
 *
 * <p>As in Hugging Face a template sees {@code messages}, {@code add_generation_prompt}, {@code bos_token}, {@code eos_token} and the other
 * special tokens there are, {@code tools} and {@code documents}, which are None, and the functions {@code raise_exception} and
 * {@code strftime_now}. Immutable and safe for concurrent use.
 */
public final class ChatTemplate {

    private static final String FILE = "chat_template.jinja";
    private static final String KEY = "chat_template";
    private static final String DEFAULT = "default";

    private final String origin;
    private final JinjaTemplate template;
    private final Map<String, String> specialTokens;
    private final Supplier<ZonedDateTime> clock;

    ChatTemplate(String origin, String source, Map<String, String> specialTokens, Supplier<ZonedDateTime> clock) {
        this.origin = origin;
        this.specialTokens = Map.copyOf(specialTokens);
        this.clock = clock;
        try {
            template = JinjaTemplate.parse(source);
        } catch (JinjaException e) {
            throw new ChatTemplateException(origin, e);
        }
    }

    /**
     * A template that is not in a checkpoint.
     *
     * @param source the template
     * @param specialTokens texts of special tokens by name, such as {@code bos_token}
     * @return the template
     * @throws ChatTemplateException if the template has a wrong syntax or uses what there is not
     */
    public static ChatTemplate of(String source, Map<String, String> specialTokens) {
        return new ChatTemplate("chat template", source, specialTokens, ZonedDateTime::now);
    }

    /**
     * Reads the template of a checkpoint: the file {@code chat_template.jinja}, or else {@code chat_template} in
     * {@code tokenizer_config.json}, which is a template or a list of named ones, of which the one named {@code default} is taken.
     *
     * @param folder the checkpoint's folder
     * @return its template, empty if it has none, as base models have
     * @throws IOException if a file cannot be read
     * @throws IllegalArgumentException if {@code tokenizer_config.json} is corrupt or its list has no {@code default}
     * @throws ChatTemplateException if the template has a wrong syntax or uses what there is not
     */
    public static Optional<ChatTemplate> load(Path folder) throws IOException {
        Path file = folder.resolve(FILE);
        CheckpointJson config = CheckpointJson.readIfExists(folder.resolve(SpecialTokenTexts.CONFIG));
        Map<String, String> specialTokens = SpecialTokenTexts.read(folder);
        if (Files.exists(file)) {
            return Optional.of(new ChatTemplate(file.toString(), template(file), specialTokens, ZonedDateTime::now));
        }
        return config.value(KEY)
                .map(value -> value.isJsonArray() ? named(config, value) : value)
                .map(value -> new ChatTemplate(
                        config.file() + ", " + KEY, text(config, value), specialTokens, ZonedDateTime::now));
    }

    private static String template(Path file) throws IOException {
        try {
            return SmallText.read(file, SmallText.SETTINGS);
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(file + " is not text in UTF-8", e);
        }
    }

    private static JsonElement named(CheckpointJson config, JsonElement list) {
        Map<String, JsonElement> templates = new TreeMap<>();
        for (JsonElement element : list.getAsJsonArray()) {
            JsonObject entry = element.isJsonObject() ? element.getAsJsonObject() : new JsonObject();
            if (!entry.has("name") || !entry.has("template")) {
                throw config.wrong(KEY, "a template or a list of objects with name and template");
            }
            templates.put(text(config, entry.get("name")), entry.get("template"));
        }
        JsonElement template = templates.get(DEFAULT);
        if (template == null) {
            throw new IllegalArgumentException(config.file() + ": none of the templates in " + KEY + " is named "
                    + DEFAULT + "; there are " + Shown.value(templates.keySet().toString()));
        }
        return template;
    }

    private static String text(CheckpointJson config, JsonElement value) {
        if (!value.isJsonPrimitive() || !value.getAsJsonPrimitive().isString()) {
            throw config.wrong(KEY, "a template or a list of objects with name and template");
        }
        return value.getAsString();
    }

    /**
     * Writes a conversation as the model wants it.
     *
     * @param messages the conversation, the oldest message first
     * @param addGenerationPrompt whether to end with what makes the model answer
     * @return the text, special tokens included; encode it without adding any
     * @throws ChatTemplateException if the template does not take this conversation
     */
    public String render(List<ChatMessage> messages, boolean addGenerationPrompt) {
        return render(messages, addGenerationPrompt, Map.of());
    }

    /**
     * Writes a conversation as the model wants it.
     *
     * @param messages the conversation, the oldest message first
     * @param addGenerationPrompt whether to end with what makes the model answer
     * @param options further variables of this template, such as {@code enable_thinking} for Qwen3; text, numbers, truth values, lists and
     *     maps of them
     * @return the text, special tokens included; encode it without adding any
     * @throws ChatTemplateException if the template does not take this conversation
     * @throws IllegalArgumentException if an option is of another kind
     */
    public String render(List<ChatMessage> messages, boolean addGenerationPrompt, Map<String, ?> options) {
        Map<String, Object> variables = new HashMap<>(specialTokens);
        variables.put("raise_exception", (JinjaFunction) arguments -> {
            throw new JinjaException(text("raise_exception", arguments));
        });
        variables.put("strftime_now", (JinjaFunction)
                arguments -> Strftime.format(clock.get(), text("strftime_now", arguments)));
        variables.put("tools", Optional.empty());
        variables.put("documents", Optional.empty());
        variables.putAll(options);
        variables.put("add_generation_prompt", addGenerationPrompt);
        variables.put("messages", messages.stream().map(ChatTemplate::variable).toList());
        try {
            return template.render(variables);
        } catch (JinjaException e) {
            throw new ChatTemplateException(origin, e);
        }
    }

    private static Map<String, String> variable(ChatMessage message) {
        Map<String, String> variable = new LinkedHashMap<>(); // in this order where a template prints a message
        variable.put("role", message.role());
        variable.put("content", message.content());
        return variable;
    }

    private static String text(String function, List<Object> arguments) {
        if (arguments.size() != 1 || !(arguments.get(0) instanceof String text)) {
            throw new JinjaException(function + " needs one text, got " + arguments.size() + " arguments");
        }
        return text;
    }
}
