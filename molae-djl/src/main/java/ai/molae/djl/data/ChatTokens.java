package ai.molae.djl.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The tokens of a conversation. Those of the whole text, as a model reads it when it is used, wherever a token begins at every border of what
 * is trained on; else the pieces are encoded apart, so that no token is half question and half answer.
 */
final class ChatTokens {

    private ChatTokens() {}

    static TokenDocument of(Tokenizer tokenizer, ChatSpans spans, long bytes) {
        List<int[]> pieces = new ArrayList<>();
        for (String piece : spans.pieces()) {
            pieces.add(piece.isEmpty() ? new int[0] : tokenizer.encode(piece));
        }
        int[] joined = pieces.stream().flatMapToInt(Arrays::stream).toArray();
        int[] ends = new int[pieces.size()];
        int end = 0;
        for (int i = 0; i < ends.length; i++) {
            end += pieces.get(i).length;
            ends[i] = end;
        }
        int[] whole = tokenizer.encode(spans.text());
        if (!Arrays.equals(whole, joined)) {
            // Some tokenizers treat the begin of a text in a way of its own. Rare, so the long way is taken only here.
            int[] found = borders(tokenizer, spans, whole);
            if (found.length > 0) {
                return new TokenDocument(whole, flags(whole.length, found), bytes);
            }
        }
        return new TokenDocument(joined, flags(joined.length, ends), bytes);
    }

    /** How many tokens of the whole come before each border and the end; empty if a token crosses one. */
    private static int[] borders(Tokenizer tokenizer, ChatSpans spans, int[] whole) {
        int[] found = new int[spans.borders().size() + 1];
        for (int i = 0; i < found.length - 1; i++) {
            int[] start =
                    tokenizer.encode(spans.text().substring(0, spans.borders().get(i)));
            if (start.length > whole.length || Arrays.mismatch(start, Arrays.copyOf(whole, start.length)) >= 0) {
                return new int[0];
            }
            found[i] = start.length;
        }
        found[found.length - 1] = whole.length;
        return found;
    }

    /** Every second piece is trained on, from the second on. */
    private static boolean[] flags(int length, int[] ends) {
        boolean[] trained = new boolean[length];
        for (int i = 1; i < ends.length; i += 2) {
            Arrays.fill(trained, ends[i - 1], ends[i], true);
        }
        return trained;
    }
}
