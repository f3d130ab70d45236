package ai.molae.cli.train;

import ai.molae.cli.model.TokenizerSource;
import ai.molae.cli.options.RepeatedOptions;
import ai.molae.djl.files.Shown;
import ai.molae.djl.files.SmallText;
import ai.molae.djl.json.StrictJson;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.CharacterCodingException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/**
 * Options of a command as a JSON file: the keys are the names of the options without dashes, so that there is one place that says what exists
 * and what is valid. A flag on the command line takes the place of what the file says.
 *
 * <pre>{@code
 * {"preset": "small", "text": ["src", "docs"], "batch": 8, "lr": 3e-4, "inside-documents": true}
 * }</pre>
 */
final class ConfigFile {

    private static final Gson GSON =
            new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create();

    /** Infinity is no number of JSON. */
    private static final Pattern NUMBER = Pattern.compile("[-+]?(\\d+\\.?\\d*|\\.\\d+)([eE][-+]?\\d+)?");

    private static final Set<String> TOKENIZERS = Set.of(TokenizerSource.BYTES, TokenizerSource.FILE);

    private ConfigFile() {}

    /**
     * The arguments that a file stands for.
     *
     * @param file the file
     * @param command the command that has the options
     * @param given what the command line gave, which is left out
     * @return arguments to put before those of the command line
     * @throws IllegalArgumentException if the file does not exist, is no JSON object, or has a key that is no option
     * @throws IOException if reading fails
     */
    static List<String> arguments(Path file, CommandSpec command, ParseResult given) throws IOException {
        JsonObject object = read(file);
        List<String> arguments = new ArrayList<>();
        for (Map.Entry<String, JsonElement> entry : object.entrySet()) {
            OptionSpec option = command.findOption("--" + entry.getKey());
            if (option == null || !isSetting(option)) {
                throw new IllegalArgumentException(
                        "unknown key " + entry.getKey() + " in " + file + "; known are " + keys(command));
            }
            if (!given.hasMatchedOption(option)) {
                arguments.addAll(arguments(file, option, entry.getValue()));
            }
        }
        return arguments;
    }

    /**
     * The arguments that a file and a command line stand for together.
     *
     * @param file the file
     * @param command the command that has the options
     * @param given what the command line gave
     * @param leftOut options that are not passed on, by their keys
     * @return arguments for a command line of its own
     * @throws IllegalArgumentException if the file does not exist, is no JSON object, or has a key that is no option
     * @throws IOException if reading fails
     */
    static List<String> merge(Path file, CommandSpec command, ParseResult given, Set<String> leftOut)
            throws IOException {
        List<String> arguments = new ArrayList<>(arguments(file, command, given));
        arguments.addAll(given(given, leftOut));
        return arguments;
    }

    /** The options of a command line as arguments. */
    static List<String> given(ParseResult given, Set<String> leftOut) {
        List<String> arguments = new ArrayList<>();
        // An option of several values is among the matched ones as often as it was given.
        for (OptionSpec option : new LinkedHashSet<>(given.matchedOptions())) {
            if (isSetting(option) && !leftOut.contains(key(option))) {
                if (isFlag(option)) {
                    arguments.add(option.longestName() + "=" + option.getValue());
                } else {
                    option.originalStringValues().forEach(value -> arguments.add(option.longestName() + "=" + value));
                }
            }
        }
        return arguments;
    }

    /**
     * Parses arguments as a command line of its own.
     *
     * @param command a command that nothing was parsed into
     * @param arguments from a file, in part
     * @param file the file, for messages
     * @param like whose output and settings it gets
     * @param <T> its type
     * @return the command with its options
     * @throws IllegalArgumentException if the arguments are not valid
     */
    static <T> T parse(T command, List<String> arguments, Path file, CommandLine like) {
        CommandLine line = new CommandLine(command)
                .setCaseInsensitiveEnumValuesAllowed(like.isCaseInsensitiveEnumValuesAllowed())
                .setOut(like.getOut())
                .setErr(like.getErr());
        try {
            RepeatedOptions.refuse(line.parseArgs(arguments.toArray(String[]::new)));
        } catch (ParameterException e) {
            throw new IllegalArgumentException("with " + file + ": " + Shown.message(e.getMessage()), e);
        }
        return command;
    }

    private static JsonObject read(Path file) throws IOException {
        try {
            return StrictJson.parse(SmallText.read(file, SmallText.SETTINGS));
        } catch (NoSuchFileException e) {
            throw new IllegalArgumentException("the configuration " + file + " does not exist");
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException("the configuration " + file + " is not text in UTF-8", e);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "the configuration " + file + " cannot be read: " + Shown.message(e.getMessage()), e);
        }
    }

    /** Options that configure a run; not those about the configuration itself. */
    private static boolean isSetting(OptionSpec option) {
        return !option.usageHelp()
                && !option.versionHelp()
                && !option.longestName().equals("--config")
                && !option.longestName().equals("--stacktrace");
    }

    private static Set<String> keys(CommandSpec command) {
        return command.options().stream()
                .filter(ConfigFile::isSetting)
                .map(ConfigFile::key)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static String key(OptionSpec option) {
        return option.longestName().substring(2);
    }

    private static List<String> arguments(Path file, OptionSpec option, JsonElement value) {
        String name = option.longestName();
        if (isFlag(option)) {
            if (!(value instanceof JsonPrimitive primitive && primitive.isBoolean())) {
                throw new IllegalArgumentException(
                        key(option) + " in " + file + " must be true or false, got " + value);
            }
            return primitive.getAsBoolean() ? List.of(name) : List.of();
        }
        if (value instanceof JsonArray array) {
            if (!option.isMultiValue()) {
                throw new IllegalArgumentException(key(option) + " in " + file + " must be one value, got " + value);
            }
            return array.asList().stream()
                    .map(element -> name + "=" + text(element))
                    .toList();
        }
        if (value.isJsonNull()) {
            throw new IllegalArgumentException(
                    key(option) + " in " + file + " is null; leave the key out for the default");
        }
        return List.of(name + "=" + text(value));
    }

    private static boolean isFlag(ArgSpec option) {
        return option.arity().max() == 0;
    }

    /** Objects, such as a spec, are passed on as JSON. */
    private static String text(JsonElement value) {
        return value instanceof JsonPrimitive primitive ? primitive.getAsString() : value.toString();
    }

    /**
     * What a command was given, as such a file; paths absolute, so that it means the same from another folder.
     *
     * @param given the parsed command line
     * @param leftOut options that do not belong to a run, by their keys
     * @return JSON
     */
    static String write(ParseResult given, Set<String> leftOut) {
        JsonObject object = new JsonObject();
        for (OptionSpec option : given.matchedOptions()) {
            if (isSetting(option) && !leftOut.contains(key(option))) {
                object.add(key(option), value(option));
            }
        }
        return GSON.toJson(object);
    }

    private static JsonElement value(OptionSpec option) {
        if (isFlag(option)) {
            return new JsonPrimitive((Boolean) option.getValue());
        }
        List<JsonElement> values = option.originalStringValues().stream()
                .map(text -> element(option, text))
                .toList();
        if (!option.isMultiValue()) {
            return values.get(0);
        }
        JsonArray array = new JsonArray();
        values.forEach(array::add);
        return array;
    }

    private static JsonElement element(OptionSpec option, String text) {
        if (key(option).equals("spec")) {
            return StrictJson.parse(ModelOptions.json(text));
        }
        if (key(option).equals("tokenizer") && !TOKENIZERS.contains(text)) {
            return new JsonPrimitive(Path.of(text).toAbsolutePath().normalize().toString());
        }
        Class<?> type = option.auxiliaryTypes()[0];
        if (Path.class.isAssignableFrom(type)) {
            return new JsonPrimitive(Path.of(text).toAbsolutePath().normalize().toString());
        }
        boolean number = Number.class.isAssignableFrom(type) || (type.isPrimitive() && type != boolean.class);
        return number && NUMBER.matcher(text).matches()
                ? new JsonPrimitive(new BigDecimal(text))
                : new JsonPrimitive(text);
    }
}
