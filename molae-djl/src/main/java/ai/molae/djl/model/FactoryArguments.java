package ai.molae.djl.model;

import ai.molae.djl.files.SmallText;
import ai.molae.djl.torch.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;

/** What {@code Criteria} hands a block factory: the keys of serving.properties, overridden by {@code optArgument}. */
final class FactoryArguments {

    static final String PRECISION = "precision";
    private static final String SPEC = "spec";

    private final Path folder;
    private final Map<String, ?> arguments;

    FactoryArguments(Path folder, Map<String, ?> arguments) {
        this.folder = folder;
        this.arguments = arguments;
    }

    /** The spec in the argument {@code spec}, else in molae.json. */
    <T> T spec(Function<String, T> parse) throws IOException {
        Object given = arguments.get(SPEC);
        String source = given != null
                ? "argument " + SPEC
                : folder.resolve(ModelFolder.SPEC_FILE).toString();
        String json = given != null
                ? given.toString()
                : SmallText.read(folder.resolve(ModelFolder.SPEC_FILE), SmallText.SETTINGS);
        try {
            return parse.apply(json);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(source + ": " + e.getMessage(), e);
        }
    }

    Precision precision() {
        Object given = arguments.get(PRECISION);
        if (given == null) {
            return Precision.FLOAT32;
        }
        for (Precision precision : Precision.trainable()) {
            if (precision.name().equals(given.toString().toUpperCase(Locale.ROOT))) {
                return precision;
            }
        }
        throw new IllegalArgumentException(
                "argument " + PRECISION + " must be one of " + Precision.trainable() + ", got " + given);
    }

    boolean flag(String key, boolean otherwise) {
        Object given = arguments.get(key);
        if (given == null) {
            return otherwise;
        }
        return switch (given.toString()) {
            case "true" -> true;
            case "false" -> false;
            default -> throw new IllegalArgumentException("argument " + key + " must be true or false, got " + given);
        };
    }
}
