package ai.molae.djl.generate;

import ai.molae.djl.data.CheckpointJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/**
 * How the makers of a checkpoint want it sampled: its {@code generation_config.json}. What is absent there is empty here.
 *
 * @param eosTokens ids that end a text ({@code eos_token_id}, one or a list)
 * @param bosToken id that begins a text ({@code bos_token_id})
 * @param padToken id that fills up rows of a batch ({@code pad_token_id})
 * @param doSample whether to draw at all, false for greedy ({@code do_sample})
 * @param temperature see {@link Sampling}
 * @param topK {@code top_k}
 * @param topP {@code top_p}
 * @param minP {@code min_p}
 * @param repetitionPenalty {@code repetition_penalty}
 * @param maxNewTokens {@code max_new_tokens}
 * @param maxLength the most tokens of prompt and text together, where {@code maxNewTokens} does not rule ({@code max_length})
 */
public record GenerationConfig(
        List<Integer> eosTokens,
        OptionalInt bosToken,
        OptionalInt padToken,
        Optional<Boolean> doSample,
        OptionalDouble temperature,
        OptionalInt topK,
        OptionalDouble topP,
        OptionalDouble minP,
        OptionalDouble repetitionPenalty,
        OptionalInt maxNewTokens,
        OptionalInt maxLength) {

    private static final String FILE = "generation_config.json";
    private static final String MODEL_FILE = "config.json";

    /** What Hugging Face's generation takes where a file has no {@code top_k}. */
    private static final int DEFAULT_TOP_K = 50;

    /**
     * Validates the fields.
     *
     * @param eosTokens ids that end a text
     * @param bosToken id that begins a text
     * @param padToken id that fills up rows
     * @param doSample whether to draw at all
     * @param temperature logits are divided by it
     * @param topK number of tokens that can be drawn
     * @param topP probability of the tokens that can be drawn
     * @param minP least relative probability of a token
     * @param repetitionPenalty what makes seen tokens less probable
     * @param maxNewTokens the most tokens to make
     * @param maxLength the most tokens of prompt and text together
     * @throws IllegalArgumentException if a field is out of range; the message names its key
     */
    public GenerationConfig {
        eosTokens = List.copyOf(eosTokens);
        eosTokens.forEach(id -> check(id >= 0, "eos_token_id", "token ids, at least 0", id));
        bosToken.ifPresent(id -> check(id >= 0, "bos_token_id", "a token id, at least 0", id));
        padToken.ifPresent(id -> check(id >= 0, "pad_token_id", "a token id, at least 0", id));
        temperature.ifPresent(t -> check(Double.isFinite(t) && t >= 0, "temperature", "finite and at least 0", t));
        topK.ifPresent(k -> check(k >= 0, "top_k", "at least 0 (0: all tokens)", k));
        topP.ifPresent(p -> check(p > 0 && p <= 1, "top_p", "in (0, 1]", p));
        minP.ifPresent(p -> check(p >= 0 && p <= 1, "min_p", "in [0, 1]", p));
        repetitionPenalty.ifPresent(
                p -> check(Double.isFinite(p) && p > 0, "repetition_penalty", "finite and positive", p));
        maxNewTokens.ifPresent(n -> check(n >= 1, "max_new_tokens", "at least 1", n));
        maxLength.ifPresent(n -> check(n >= 1, "max_length", "at least 1", n));
    }

    private static void check(boolean condition, String key, String wanted, Number got) {
        if (!condition) {
            throw new IllegalArgumentException(key + " must be " + wanted + ", got " + got);
        }
    }

    /**
     * Reads {@code generation_config.json} of a checkpoint. Ids of special tokens that it lacks, or all if there is no such file, are those
     * of {@code config.json}. Other keys are ignored, and so are nulls.
     *
     * @param folder the checkpoint's folder
     * @return its configuration
     * @throws IOException if there is neither of the two files, or one cannot be read
     * @throws IllegalArgumentException if a file is no JSON object, or a value has the wrong type or is out of range
     */
    public static GenerationConfig read(Path folder) throws IOException {
        Path file = folder.resolve(FILE);
        Path modelFile = folder.resolve(MODEL_FILE);
        if (!Files.exists(file) && !Files.exists(modelFile)) {
            throw new NoSuchFileException(
                    folder.toString(), null, "no folder of a checkpoint: neither " + FILE + " nor " + MODEL_FILE);
        }
        CheckpointJson json = CheckpointJson.readIfExists(file);
        CheckpointJson model = CheckpointJson.readIfExists(modelFile);
        List<Integer> eosTokens = from(json, model, "eos_token_id").integers("eos_token_id");
        OptionalInt bosToken = from(json, model, "bos_token_id").integer("bos_token_id");
        OptionalInt padToken = from(json, model, "pad_token_id").integer("pad_token_id");
        Optional<Boolean> doSample = json.bool("do_sample");
        OptionalDouble temperature = json.number("temperature");
        OptionalInt topK = json.integer("top_k");
        OptionalDouble topP = json.number("top_p");
        OptionalDouble minP = json.number("min_p");
        OptionalDouble repetitionPenalty = json.number("repetition_penalty");
        OptionalInt maxNewTokens = json.integer("max_new_tokens");
        OptionalInt maxLength = json.integer("max_length");
        try {
            return new GenerationConfig(
                    eosTokens,
                    bosToken,
                    padToken,
                    doSample,
                    temperature,
                    topK,
                    topP,
                    minP,
                    repetitionPenalty,
                    maxNewTokens,
                    maxLength);
        } catch (IllegalArgumentException e) {
            // A value out of range; those of a wrong type have told their file already.
            throw new IllegalArgumentException((Files.exists(file) ? file : modelFile) + ": " + e.getMessage(), e);
        }
    }

    private static CheckpointJson from(CheckpointJson json, CheckpointJson model, String key) {
        return json.value(key).isPresent() ? json : model;
    }

    /**
     * A builder with the values of this configuration; where one is absent, the builder keeps its own default. As in Hugging Face, where
     * {@code do_sample} is absent nothing is drawn: temperature 0; and where it is true and {@code top_k} absent, the 50 most probable
     * tokens can be drawn. The stop tokens are
     * {@code eosTokens}.
     *
     * @return a new builder, without regard to {@code maxLength}
     */
    public Sampling.Builder sampling() {
        Sampling.Builder builder = Sampling.builder().optStopTokens(eosTokens);
        temperature.ifPresent(builder::optTemperature);
        topK.ifPresent(builder::optTopK);
        if (!doSample.orElse(false)) {
            builder.optTemperature(0);
        } else if (topK.isEmpty()) {
            builder.optTopK(DEFAULT_TOP_K);
        }
        topP.ifPresent(builder::optTopP);
        minP.ifPresent(builder::optMinP);
        repetitionPenalty.ifPresent(builder::optRepetitionPenalty);
        maxNewTokens.ifPresent(builder::optMaxNewTokens);
        return builder;
    }

    /**
     * The same for a prompt of a known length: {@code maxLength}, where {@code maxNewTokens} is absent, limits the new tokens.
     *
     * @param promptLength number of tokens of the prompt
     * @return a new builder
     * @throws IllegalArgumentException if the prompt leaves no room for a new token
     */
    public Sampling.Builder sampling(int promptLength) {
        Sampling.Builder builder = sampling();
        if (maxNewTokens.isEmpty() && maxLength.isPresent()) {
            if (promptLength >= maxLength.getAsInt()) {
                throw new IllegalArgumentException("the prompt has " + promptLength
                        + " tokens, which leaves no room for new ones in max_length = " + maxLength.getAsInt()
                        + "; give a shorter prompt or set maxNewTokens");
            }
            builder.optMaxNewTokens(maxLength.getAsInt() - promptLength);
        }
        return builder;
    }
}
