package ai.molae.djl.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * What a tokenizer's {@code decode} remembers of earlier tokens, found out by asking it. It is little: whether any text came before (a
 * leading blank is dropped), whether a character is incomplete, and for tokenizers that spell unknown characters as bytes whether a run of
 * bytes is going on, and is still valid: one invalid byte makes each byte of the run a replacement character, also those before it.
 *
 * <p>Two token sequences leave the decoder in the same state if whatever follows decodes to the same text after both. Some probes decide
 * that: a blank, stray UTF-8 bytes and a complete character of bytes. So a few tokens can stand for a long text.
 */
final class DecoderStates {

    private static final String WORD = "a";
    /** No vocabulary has these; the last of their four bytes are 0x80 and 0xBF, so one of them continues any incomplete character. */
    private static final List<String> RARE = List.of(Character.toString(0x10FF80), Character.toString(0x10FFBF));

    private static final String REPLACEMENT = "\uFFFD";
    private static final int LONGEST_REST = 3;

    /**
     * Tokens that stand for all tokens before.
     *
     * @param tokens the tokens
     * @param text what they decode to, as far as later tokens do not change it
     * @param future what each probe adds to the text, empty if it changes the text
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared as a whole
    record State(int[] tokens, String text, List<Optional<String>> future) {

        /** Whether later tokens may change the text. */
        boolean isTentative() {
            return future.contains(Optional.<String>empty());
        }
    }

    private final Function<int[], String> decode;
    private final List<int[]> probes = new ArrayList<>();
    private final List<int[]> rests = new ArrayList<>();
    private final List<State> states = new ArrayList<>();
    private int[] stray = {};

    DecoderStates(Tokenizer tokenizer, Function<int[], String> decode) {
        this.decode = decode;
        probes.add(tokenizer.encode(" " + WORD));
        List<int[]> sequences = new ArrayList<>(List.of(new int[0], tokenizer.encode(WORD)));
        for (String rare : RARE) {
            int[] bytes = bytes(tokenizer.encode(rare));
            if (decode.apply(bytes).equals(rare)) {
                stray = new int[] {bytes[bytes.length - 1]};
                sequences.add(stray);
                sequences.add(bytes);
                probes.add(bytes);
                for (int count = 1; count <= LONGEST_REST; count++) {
                    int[] rest = new int[count];
                    Arrays.fill(rest, stray[0]);
                    rests.add(rest);
                }
            }
        }
        for (int[] tokens : sequences) {
            String text = decode.apply(tokens);
            states.add(new State(tokens, text, future(tokens, text)));
        }
    }

    /** The tokens at the end that are no characters by themselves. */
    private int[] bytes(int[] tokens) {
        int from = tokens.length;
        while (from > 0 && isIncomplete(decode.apply(new int[] {tokens[from - 1]}))) {
            from--;
        }
        return Arrays.copyOfRange(tokens, from, tokens.length);
    }

    private static boolean isIncomplete(String text) {
        return !text.isEmpty() && text.replace(REPLACEMENT, "").isEmpty();
    }

    /** Before any token. */
    State start() {
        return states.get(0);
    }

    /** The short state that equals the one after these tokens, empty if there is none. */
    Optional<State> after(int[] tokens, String text) {
        List<Optional<String>> future = future(tokens, text);
        return states.stream().filter(state -> state.future().equals(future)).findFirst();
    }

    /**
     * A state of one token, for byte-level tokenizers whose tokens end inside characters again and again: all that counts is the last token,
     * and all but the replacement character at the end of the text is certain.
     */
    Optional<State> afterIncomplete(int[] tokens, String text) {
        int[] last = {tokens[tokens.length - 1]};
        String lastText = withoutReplacement(decode.apply(last));
        List<Optional<String>> future = new ArrayList<>();
        List<Optional<String>> lastFuture = new ArrayList<>();
        for (int[] probe : Stream.concat(probes.stream(), rests.stream()).toList()) {
            future.add(added(tokens, withoutReplacement(text), probe));
            lastFuture.add(added(last, lastText, probe));
        }
        State state = new State(last, lastText, lastFuture);
        return state.isTentative() || !future.equals(lastFuture) ? Optional.empty() : Optional.of(state);
    }

    static String withoutReplacement(String text) {
        return text.endsWith(REPLACEMENT) ? text.substring(0, text.length() - 1) : text;
    }

    /** What tokens add where a run of bytes has become invalid. */
    String inBrokenRun(int[] tokens) {
        return decode.apply(join(stray, tokens)).substring(decode.apply(stray).length());
    }

    private List<Optional<String>> future(int[] tokens, String text) {
        List<Optional<String>> future = new ArrayList<>();
        for (int[] probe : probes) {
            future.add(added(tokens, text, probe));
        }
        for (int[] rest : rests) {
            // Stray bytes are a replacement character each. A text that may itself be one tells nothing by how it
            // begins.
            String added = REPLACEMENT.repeat(rest.length);
            boolean stray = decode.apply(join(tokens, rest)).equals(text + added);
            future.add(stray ? Optional.of(added) : Optional.empty());
        }
        return future;
    }

    private Optional<String> added(int[] tokens, String text, int[] probe) {
        String longer = decode.apply(join(tokens, probe));
        return longer.startsWith(text) ? Optional.of(longer.substring(text.length())) : Optional.empty();
    }

    static int[] join(int[] first, int[] second) {
        int[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }
}
