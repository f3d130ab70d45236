package ai.molae.cli.generate;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What the model is to continue or to answer. */
final class PromptOptions {

    private static final String STANDARD_INPUT = "-";

    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            description = "A text to continue, - for standard input; several are continued together.")
    private List<String> prompts = new ArrayList<>();

    @Option(names = "--prompt-file", paramLabel = "FILE", description = "A file with a text to continue.")
    private List<Path> files = new ArrayList<>();

    @Option(
            names = "--chat",
            description = "Write prompts as the checkpoint's chat template says; without a prompt every line of "
                    + "standard input is one of a conversation, until the input ends.")
    private boolean chat;

    @Option(names = "--system", paramLabel = "TEXT", description = "With --chat: what the model should be and do.")
    private @Nullable String system;

    /**
     * Checks the options.
     *
     * @throws IllegalArgumentException if there is nothing to do
     */
    void check() {
        if (system != null && !chat) {
            throw new IllegalArgumentException("--system is part of a conversation; add --chat, or leave it away");
        }
        if (prompts.isEmpty() && files.isEmpty() && !chat) {
            throw new IllegalArgumentException(
                    "there is nothing to continue; give --prompt TEXT, --prompt - for standard input, or --prompt-file FILE");
        }
        if (prompts.stream().filter(STANDARD_INPUT::equals).count() > 1) {
            throw new IllegalArgumentException("--prompt - reads all of standard input; give it once");
        }
    }

    boolean isChat() {
        return chat;
    }

    boolean isConversation() {
        return chat && prompts.isEmpty() && files.isEmpty();
    }

    Optional<String> system() {
        return Optional.ofNullable(system);
    }

    /** All prompts, without the line break that ends a file. */
    List<String> texts() throws IOException {
        List<String> texts = new ArrayList<>();
        for (String prompt : prompts) {
            texts.add(
                    prompt.equals(STANDARD_INPUT)
                            ? withoutEnd(new String(System.in.readAllBytes(), StandardCharsets.UTF_8))
                            : prompt);
        }
        for (Path file : files) {
            if (!Files.isReadable(file) || Files.isDirectory(file)) {
                throw new IllegalArgumentException("--prompt-file " + file
                        + (Files.exists(file) ? " cannot be read" : " does not exist") + "; name a text file");
            }
            try {
                texts.add(withoutEnd(Files.readString(file)));
            } catch (CharacterCodingException e) {
                throw new IllegalArgumentException("--prompt-file " + file + " is not UTF-8 text", e);
            }
        }
        return texts;
    }

    private static String withoutEnd(String text) {
        return text.endsWith("\r\n")
                ? text.substring(0, text.length() - 2)
                : text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
    }
}
