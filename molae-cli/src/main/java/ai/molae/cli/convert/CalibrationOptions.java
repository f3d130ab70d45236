package ai.molae.cli.convert;

import ai.molae.cli.options.Ranges;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The text that shows which inputs experts see. */
final class CalibrationOptions {

    private static final long DEFAULT_TOKENS = 131_072;

    @Option(
            names = "--calibrate",
            paramLabel = "FILE|DIR",
            description =
                    "Text to calibrate with: files, folders (every file below), jar or zip archives; may be repeated.")
    private List<Path> text = new ArrayList<>();

    @Option(
            names = "--calibration-tokens",
            paramLabel = "N",
            description = "How many tokens of it at most (default: " + DEFAULT_TOKENS + ").")
    private @Nullable Long tokens;

    @Option(
            names = "--calibration",
            paramLabel = "DIR",
            description = "Where the calibration is kept: read if it is there, else written.")
    private @Nullable Path folder;

    /** Refuses what says nothing, or is not there. */
    void check() {
        text.forEach(path -> TextOptions.checkExists("--calibrate", path));
        if (tokens != null) {
            Ranges.positive("--calibration-tokens", tokens);
            if (text.isEmpty()) {
                throw new IllegalArgumentException(
                        "--calibration-tokens says how much of --calibrate is read; add that, or leave it away");
            }
        }
        if (folder != null && !Files.exists(folder) && text.isEmpty()) {
            throw new IllegalArgumentException(
                    "--calibration " + folder + " does not exist; give the text to write it from with --calibrate");
        }
    }

    /** Whether there is text, or what was kept of it. */
    boolean isGiven() {
        return folder != null || !text.isEmpty();
    }

    List<Path> text() {
        return text;
    }

    long tokens() {
        return tokens == null ? DEFAULT_TOKENS : tokens;
    }

    Optional<Path> folder() {
        return Optional.ofNullable(folder);
    }
}
