package ai.molae.djl.data;

import ai.molae.djl.data.DecoderStates.State;
import java.util.Optional;
import java.util.function.Function;

/**
 * Decodes tokens one by one, as a model makes them. The pieces, put together, are exactly what the tokenizer decodes all tokens to; text that
 * later tokens may still change is held back: an incomplete character, and with tokenizers that spell unknown characters as bytes (Mixtral's)
 * a run of such bytes until its end.
 *
 * <pre>{@code
 * StreamingDecoder decoder = new StreamingDecoder(tokenizer);
 * for (int token : tokens) {
 *     print(decoder.add(token));
 * }
 * print(decoder.end());
 * }</pre>
 *
 * <p>A step decodes a few recent tokens, about ten times, however long the text is. Holds the state of one text: one thread at a time.
 */
public final class StreamingDecoder {

    /** An incomplete character has at most three bytes; after so many tokens without a known state more are incomplete in a row. */
    private static final int MOST_INCOMPLETE = 4;

    private final Function<int[], String> decode;
    private final DecoderStates states;
    private State state;
    private int[] pending = {};
    /** The text of a tentative state, if no later token changes it and if one does; it is empty for others. */
    private final StringBuilder heldIfKept = new StringBuilder();

    private final StringBuilder heldIfChanged = new StringBuilder();

    /**
     * A decoder at the start of a text.
     *
     * @param tokenizer the tokenizer, which must stay open
     */
    public StreamingDecoder(Tokenizer tokenizer) {
        this(tokenizer, tokenizer::decode);
    }

    /**
     * A decoder at the start of a text that decodes in a way of its own, such as without special tokens.
     *
     * @param tokenizer the tokenizer, which must stay open
     * @param decode turns token ids of this tokenizer into text
     */
    public StreamingDecoder(Tokenizer tokenizer, Function<int[], String> decode) {
        this.decode = decode;
        states = new DecoderStates(tokenizer, decode);
        state = states.start();
    }

    /**
     * Takes the next token.
     *
     * @param token its id
     * @return the text that has become certain, often empty
     * @throws IllegalArgumentException if the id is out of range; the token is then not taken
     */
    public String add(int token) {
        int[] longer = DecoderStates.join(pending, new int[] {token});
        int[] window = DecoderStates.join(state.tokens(), longer);
        String text = decode.apply(window);
        pending = longer;
        Optional<State> next = states.after(window, text);
        if (next.isEmpty() && pending.length >= MOST_INCOMPLETE && !state.isTentative()) {
            next = states.afterIncomplete(window, text);
            text = DecoderStates.withoutReplacement(text);
        }
        return next.isEmpty() ? "" : enter(next.get(), text);
    }

    /** Goes on from a state that equals the one after the pending tokens. */
    private String enter(State next, String text) {
        String certain = "";
        if (next.isTentative()) {
            heldIfKept.append(added(text));
            heldIfChanged.append(states.inBrokenRun(pending));
        } else {
            certain = flush(text);
        }
        state = next;
        pending = new int[0];
        return certain;
    }

    /** What is held, then the pending tokens' text, given that of the state's tokens and the pending ones. */
    private String flush(String text) {
        String flushed = (isKept(text) ? heldIfKept : heldIfChanged) + added(text);
        heldIfKept.setLength(0);
        heldIfChanged.setLength(0);
        return flushed;
    }

    private boolean isKept(String text) {
        return text.startsWith(state.text());
    }

    private String added(String text) {
        return isKept(text) ? text.substring(state.text().length()) : states.inBrokenRun(pending);
    }

    /**
     * Ends the text. The decoder is then at the start of another one.
     *
     * @return what was held back, with replacement characters for what never became complete
     */
    public String end() {
        String rest = flush(decode.apply(DecoderStates.join(state.tokens(), pending)));
        state = states.start();
        pending = new int[0];
        return rest;
    }
}
