package ai.molae.cli.generate;

import ai.molae.cli.table.Unit;
import ai.molae.djl.torch.NativeMemory;
import com.google.gson.JsonObject;
import java.util.Locale;
import java.util.OptionalLong;

/** How fast it was. */
final class Statistics {

    private final double loadSeconds;
    private final NativeMemory.Peak peak;
    private long start;
    private long first;
    private long last;
    private long promptTokens;
    private long newTokens;
    private int sequences;

    Statistics(double loadSeconds, NativeMemory.Peak peak) {
        this.loadSeconds = loadSeconds;
        this.peak = peak;
    }

    /** A generation begins. */
    void begin(long promptTokens, int sequences) {
        this.promptTokens = promptTokens;
        this.sequences = sequences;
        newTokens = 0;
        start = System.nanoTime();
        first = start;
        last = start;
    }

    /** A token was made. */
    void token() {
        last = System.nanoTime();
        if (newTokens == 0) {
            first = last;
        }
        newTokens++;
    }

    private double firstSeconds() {
        return (first - start) * 1e-9;
    }

    /** After the first step, which reads the prompts. */
    private double tokensPerSecond() {
        return (newTokens - Math.min(sequences, newTokens)) / ((last - first) * 1e-9);
    }

    /** Everything in a line. */
    String line() {
        StringBuilder line = new StringBuilder();
        line.append(String.format(Locale.ROOT, "loaded in %.1f s", loadSeconds));
        if (newTokens > 0) {
            line.append(String.format(
                    Locale.ROOT,
                    "; %,d prompt tokens at %,.0f tokens/s, first token after %.2f s",
                    promptTokens,
                    promptTokens / firstSeconds(),
                    firstSeconds()));
            line.append(String.format(Locale.ROOT, "; %,d new tokens", newTokens));
        }
        if (newTokens > sequences) {
            line.append(String.format(Locale.ROOT, " at %,.1f tokens/s", tokensPerSecond()));
        }
        OptionalLong bytes = peak.bytes();
        if (bytes.isPresent()) {
            line.append("; at most ").append(Unit.BYTE.human(bytes.getAsLong())).append(" of native memory");
        }
        return line.toString();
    }

    JsonObject json() {
        JsonObject json = new JsonObject();
        json.addProperty("load_seconds", loadSeconds);
        json.addProperty("prompt_tokens", promptTokens);
        json.addProperty("new_tokens", newTokens);
        if (newTokens > 0) {
            json.addProperty("first_token_seconds", firstSeconds());
            json.addProperty("prompt_tokens_per_second", promptTokens / firstSeconds());
        }
        if (newTokens > sequences) {
            json.addProperty("tokens_per_second", tokensPerSecond());
        }
        peak.bytes().ifPresent(bytes -> json.addProperty("peak_native_bytes", bytes));
        return json;
    }
}
