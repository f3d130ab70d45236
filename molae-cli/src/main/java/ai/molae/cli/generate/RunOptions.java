package ai.molae.cli.generate;

import ai.molae.cli.model.InferencePrecision;
import ai.molae.cli.model.TokenizerChoice;
import ai.molae.cli.options.Ranges;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.torch.Precision;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How the model runs. */
final class RunOptions {

    /** How the output is written. */
    enum Format {
        /** The text. */
        TEXT,
        /** Text, tokens, why they ended, and figures. */
        JSON
    }

    @Option(
            names = "--precision",
            defaultValue = "bfloat16",
            completionCandidates = InferencePrecision.class,
            description = "How to pack the weights: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    Precision precision = Precision.BFLOAT16;

    @Option(
            names = "--tokenizer",
            defaultValue = "file",
            description =
                    "file for the checkpoint's tokenizer.json, bytes for a token each byte (default: ${DEFAULT-VALUE}).")
    TokenizerChoice tokenizer = TokenizerChoice.FILE;

    @Option(
            names = "--prefill-chunk",
            paramLabel = "N",
            description = "Tokens of the prompts to read at once (default: 512); fewer need less memory.")
    @Nullable
    Integer prefillChunk;

    @Option(
            names = "--logprobs",
            paramLabel = "N",
            description = "Tell how probable each token was, and the N most probable ones in its place.")
    @Nullable
    Integer logprobs;

    @Option(names = "--format", defaultValue = "text", description = "text or json (default: ${DEFAULT-VALUE}).")
    Format format = Format.TEXT;

    @Option(names = "--quiet", description = "No progress and no figures of speed.")
    boolean quiet;

    /** A generator without a model. */
    Generator.Builder generator() {
        Generator.Builder generator = Generator.builder();
        if (prefillChunk != null) {
            generator.optPrefillChunk(Ranges.positive("--prefill-chunk", prefillChunk));
        }
        if (logprobs != null) {
            generator.optTopLogprobs(Ranges.between("--logprobs", logprobs, 0, 1000));
        }
        return generator;
    }
}
