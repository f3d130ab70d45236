package ai.molae.cli.model;

import java.util.Locale;

/** Which tokenizer a command uses. */
public enum TokenizerChoice {
    /** The checkpoint's own {@code tokenizer.json}. */
    FILE,
    /** A token for each byte, as {@code molae quickstart} has it. */
    BYTES;

    /** The name as the user writes it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
