package ai.molae.djl.generate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.KvCache;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.RopeScaling;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;

/** Prompts that are continued together, padded on the left to one length. Used once, by one thread. */
final class Batch {

    private final CausalLm model;
    private final List<Continuation> texts = new ArrayList<>();
    private final int[] padding;

    /** Length of the longest prompt. */
    private final int columns;

    /**
     * A batch without new tokens.
     *
     * @param model continues them
     * @param prompts at least one
     * @param sampling how to choose; sequence i draws with its seed plus i
     * @param topLogprobs how many log-probabilities to tell of each token, or empty for not even its own
     * @throws IllegalArgumentException if a prompt is empty, too long or has an id outside [0, V)
     */
    Batch(CausalLm model, List<int[]> prompts, Sampling sampling, OptionalInt topLogprobs) {
        this.model = model;
        for (int i = 0; i < prompts.size(); i++) {
            String name = prompts.size() == 1 ? "the prompt" : "prompt " + i;
            check(name, i, prompts.get(i));
            texts.add(
                    new Continuation(prompts.get(i), withSeed(sampling, sampling.seed() + i), longest(), topLogprobs));
        }
        columns = prompts.stream().mapToInt(prompt -> prompt.length).max().orElseThrow();
        padding = prompts.stream().mapToInt(prompt -> columns - prompt.length).toArray();
    }

    private int longest() {
        return model.spec().maxPositionEmbeddings();
    }

    private void check(String name, int sequence, int[] prompt) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException(name + " is empty; start with a begin-of-text token");
        }
        if (prompt.length >= longest()) {
            throw new IllegalArgumentException(name + " has " + prompt.length
                    + " tokens, which leaves no room for new ones in the model's maxPositionEmbeddings = " + longest());
        }
        int vocabSize = model.spec().vocabSize();
        for (int i = 0; i < prompt.length; i++) {
            if (prompt[i] < 0 || prompt[i] >= vocabSize) {
                throw new IllegalArgumentException("token id " + prompt[i] + " of sequence " + sequence + ", position "
                        + i + ", is not in [0, vocabSize = " + vocabSize + ")");
            }
        }
    }

    private static Sampling withSeed(Sampling sampling, long seed) {
        return new Sampling(
                sampling.temperature(),
                sampling.topK(),
                sampling.topP(),
                sampling.minP(),
                sampling.repetitionPenalty(),
                seed,
                sampling.maxNewTokens(),
                sampling.stopTokens());
    }

    /**
     * Continues all to their ends.
     *
     * @param manager parent of the cache, which is gone afterwards; its device is the model's
     * @param prefillChunk how many tokens of the prompts to read at once, of all together
     * @param listener hears of each new token
     * @return what was made of each
     * @throws CancellationException if the thread is interrupted
     */
    List<Generation> run(NDManager manager, int prefillChunk, TokenListener listener) {
        int steps = texts.stream().mapToInt(Continuation::most).max().orElseThrow();
        // The last new token is never read.
        try (KvCache cache = new KvCache(model.spec(), manager, columns + steps - 1, padding)) {
            ParameterStore parameterStore = new ParameterStore(manager, false);
            extend(prefill(parameterStore, manager, cache, prefillChunk), listener);
            while (!texts.stream().allMatch(Continuation::ended)) {
                int[] tokens = texts.stream().mapToInt(Continuation::unread).toArray();
                extend(decode(parameterStore, manager, tokens, cache), listener);
            }
        }
        return texts.stream().map(Continuation::result).toList();
    }

    private float[] prefill(ParameterStore parameterStore, NDManager manager, KvCache cache, int prefillChunk) {
        int chunk = readsAtOnce(model.spec(), columns) ? columns : Math.max(1, prefillChunk / texts.size());
        float[] logits = {};
        for (int from = 0; from < columns; from += chunk) {
            int first = from;
            int count = Math.min(chunk, columns - from);
            int[] tokens = IntStream.range(0, texts.size() * count)
                    .map(i -> texts.get(i / count).promptToken(first + i % count, padding[i / count]))
                    .toArray();
            logits = decode(parameterStore, manager, tokens, cache);
        }
        return logits;
    }

    /** Dynamic angles depend on the length read so far: the beginning, read by itself, would be turned by others than the end. */
    private static boolean readsAtOnce(ModelSpec spec, int length) {
        return spec.attention().rope().scaling() instanceof RopeScaling.Dynamic dynamic
                && length > dynamic.originalMaxPositionEmbeddings();
    }

    /** Tokens {@code [B S]} to logits {@code [B V]}. */
    private float[] decode(ParameterStore parameterStore, NDManager manager, int[] tokens, KvCache cache) {
        if (Thread.currentThread().isInterrupted()) {
            throw new CancellationException(
                    "the generation was interrupted when it had read " + cache.length() + " tokens of each sequence");
        }
        try (NDArray ids = manager.create(tokens, new Shape(texts.size(), tokens.length / texts.size()));
                NDArray logits = model.decode(parameterStore, ids, cache)) {
            return logits.toFloatArray();
        }
    }

    private void extend(float[] logits, TokenListener listener) {
        int vocabSize = model.spec().vocabSize();
        for (int i = 0; i < texts.size(); i++) {
            Continuation text = texts.get(i);
            if (!text.ended()) {
                boolean single = texts.size() == 1;
                float[] own = single ? logits : Arrays.copyOfRange(logits, i * vocabSize, (i + 1) * vocabSize);
                text.extend(own, i, listener);
            }
        }
    }
}
