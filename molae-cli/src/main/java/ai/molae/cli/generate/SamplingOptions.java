package ai.molae.cli.generate;

import ai.molae.djl.generate.GenerationConfig;
import ai.molae.djl.generate.Sampling;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How tokens are chosen; what is not given is as {@code generation_config.json} says. */
final class SamplingOptions {

    private static final int DEFAULT_NEW_TOKENS = 256;

    @Option(names = "--greedy", description = "Always the most probable token.")
    private boolean greedy;

    @Option(names = "--temperature", paramLabel = "T", description = "Logits are divided by it; 0 is greedy.")
    private @Nullable Double temperature;

    @Option(names = "--top-k", paramLabel = "K", description = "Draw from the K most probable tokens; 0 for all.")
    private @Nullable Integer topK;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description = "Draw from the fewest tokens whose probabilities add up to P.")
    private @Nullable Double topP;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            description = "Draw from tokens at least P times as probable as the most probable one.")
    private @Nullable Double minP;

    @Option(
            names = "--repetition-penalty",
            paramLabel = "R",
            description = "Above 1: tokens that are there already are less probable.")
    private @Nullable Double repetitionPenalty;

    @Option(names = "--seed", defaultValue = "0", description = "Of the draws (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(
            names = "--max-new-tokens",
            paramLabel = "N",
            description = "The most tokens to write (default: as generation_config.json says, or " + DEFAULT_NEW_TOKENS
                    + ").")
    private @Nullable Integer maxNewTokens;

    /**
     * The sampling.
     *
     * @param config what the checkpoint says
     * @param endOfText ends a text where the checkpoint names no token that does
     */
    Sampling sampling(GenerationConfig config, OptionalInt endOfText) {
        Sampling.Builder builder = config.sampling().optSeed(seed);
        if (config.eosTokens().isEmpty() && endOfText.isPresent()) {
            builder.optStopTokens(Set.of(endOfText.getAsInt()));
        }
        List<String> drawing = drawing();
        if (greedy && !drawing.isEmpty()) {
            throw new IllegalArgumentException(
                    "--greedy draws nothing, which " + String.join(", ", drawing) + " would; leave one of both away");
        }
        if (greedy) {
            builder.optTemperature(0);
        } else if (!drawing.isEmpty()) {
            builder.optTemperature(
                    temperature != null ? temperature : config.temperature().orElse(1));
        }
        if (topK != null) {
            builder.optTopK(topK);
        }
        if (topP != null) {
            builder.optTopP(topP);
        }
        if (minP != null) {
            builder.optMinP(minP);
        }
        if (repetitionPenalty != null) {
            builder.optRepetitionPenalty(repetitionPenalty);
        }
        builder.optMaxNewTokens(
                maxNewTokens != null ? maxNewTokens : config.maxNewTokens().orElse(DEFAULT_NEW_TOKENS));
        return builder.build();
    }

    /** The options that say that tokens are drawn. */
    private List<String> drawing() {
        List<String> given = new ArrayList<>();
        addIf(given, temperature, "--temperature");
        addIf(given, topK, "--top-k");
        addIf(given, topP, "--top-p");
        addIf(given, minP, "--min-p");
        return given;
    }

    private static void addIf(List<String> list, @Nullable Object value, String flag) {
        if (value != null) {
            list.add(flag);
        }
    }
}
