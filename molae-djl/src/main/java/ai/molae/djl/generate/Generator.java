package ai.molae.djl.generate;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.KvCache;
import java.util.Arrays;
import java.util.BitSet;
import java.util.function.IntConsumer;

/**
 * Makes token ids that continue a prompt, one at a time, with a {@link KvCache}:
 *
 * <pre>{@code
 * int[] text = new Generator(model).generate(prompt, Sampling.greedy(100), id -> print(tokenizer.decode(id)));
 * }</pre>
 *
 * <p>Holds no state of a call and no native memory between calls: any number of threads may generate with one generator at once, and each
 * gets what it would get alone. The model must be initialized and stay open, and must not be trained meanwhile.
 */
public final class Generator {

    private final CausalLm model;

    /**
     * A generator.
     *
     * @param model an initialized model
     */
    public Generator(CausalLm model) {
        this.model = model;
    }

    /**
     * Continues a prompt.
     *
     * @param prompt at least one token id, fewer than the model's {@code maxPositionEmbeddings}
     * @param sampling how to choose tokens and when to stop
     * @return the new ids, without the prompt and without the stop token
     * @throws IllegalArgumentException if the prompt is empty, too long or has an id outside [0, V)
     */
    public int[] generate(int[] prompt, Sampling sampling) {
        return generate(prompt, sampling, token -> {});
    }

    /**
     * Continues a prompt and tells of each new token as soon as it is known. It ends before a stop token, which is neither told nor
     * returned, after {@code maxNewTokens}, or when prompt and new tokens together fill the model's {@code maxPositionEmbeddings}.
     *
     * @param prompt at least one token id, fewer than the model's {@code maxPositionEmbeddings}
     * @param sampling how to choose tokens and when to stop
     * @param onToken called with each new id, on this thread; what it throws ends the generation and reaches the caller
     * @return the new ids, without the prompt and without the stop token
     * @throws IllegalArgumentException if the prompt is empty, too long or has an id outside [0, V)
     */
    public int[] generate(int[] prompt, Sampling sampling, IntConsumer onToken) {
        int longest = model.spec().maxPositionEmbeddings();
        if (prompt.length == 0) {
            throw new IllegalArgumentException("the prompt is empty; start with a begin-of-text token");
        }
        if (prompt.length >= longest) {
            throw new IllegalArgumentException("the prompt has " + prompt.length
                    + " tokens, which leaves no room for new ones in the model's maxPositionEmbeddings = " + longest);
        }
        int most = Math.min(sampling.maxNewTokens(), longest - prompt.length);
        int[] made = new int[most];
        int count = 0;
        Sampler sampler = new Sampler(sampling);
        BitSet seen = new BitSet();
        Device device = model.device();
        try (NDManager manager = NDManager.newBaseManager(device, "PyTorch");
                // The last new token is never read.
                KvCache cache = new KvCache(model.spec(), manager, 1, prompt.length + most - 1)) {
            ParameterStore parameterStore = new ParameterStore(manager, false);
            int[] unread = prompt;
            while (count < most) {
                float[] logits = decode(parameterStore, manager, unread, cache);
                for (int token : unread) {
                    seen.set(token);
                }
                int next = sampler.next(logits, seen);
                if (sampling.stopTokens().contains(next)) {
                    break;
                }
                made[count++] = next;
                onToken.accept(next);
                unread = new int[] {next};
            }
        }
        return Arrays.copyOf(made, count);
    }

    private float[] decode(ParameterStore parameterStore, NDManager manager, int[] tokens, KvCache cache) {
        try (NDArray ids = manager.create(tokens, new Shape(1, tokens.length));
                NDArray logits = model.decode(parameterStore, ids, cache)) {
            return logits.toFloatArray();
        }
    }
}
