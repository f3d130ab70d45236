package ai.molae.cli.eval;

import ai.molae.cli.model.ModelTokenizer;
import ai.molae.djl.data.TextCorpus;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * Documents as one stream of tokens. Before each stands the token that begins a text, which is read and not scored; so every token of the
 * text is scored, its first one too. Where a model has no such token, the first of each document is only read.
 */
final class TokenStream {

    private static final int FIRST_PIECE = 4096;
    /** More than the bytes of one. */
    private static final int MOST_TOKENS_OF_A_CHARACTER = 8;

    private int[] tokens = new int[1024];
    private int size;
    private final BitSet scored = new BitSet();
    private long bytes;

    private TokenStream() {}

    /**
     * Encodes documents.
     *
     * @param corpus the documents
     * @param tokenizer encodes them
     * @param limit the most tokens to score; the document that exceeds it is cut
     * @throws IllegalArgumentException if there is nothing to score
     */
    static TokenStream of(TextCorpus corpus, ModelTokenizer tokenizer, long limit) {
        TokenStream stream = new TokenStream();
        for (String document : corpus.documents()) {
            long left = limit - stream.scoredTokens();
            if (left <= 0) {
                break;
            }
            stream.add(document, tokenizer, left);
        }
        if (stream.scoredTokens() == 0) {
            List<String> documents = corpus.documents();
            throw new IllegalArgumentException("there is no token to score in the " + documents.size()
                    + " documents of the text; give a longer text");
        }
        return stream;
    }

    private void add(String document, ModelTokenizer tokenizer, long left) {
        int unscored = tokenizer.beforeText().isPresent() ? 0 : 1;
        String text = beginning(document, tokenizer, Math.max(left, left + unscored));
        int[] ids = tokenizer.encode(text);
        if (ids.length <= unscored) {
            return;
        }
        tokenizer.beforeText().ifPresent(before -> append(new int[] {before}));
        scored.set(size + unscored, size + ids.length);
        append(ids);
        bytes += utf8(text) - (unscored == 0 ? 0 : utf8(tokenizer.decode(Arrays.copyOf(ids, unscored))));
    }

    /** As much of a document as has so many tokens. Long documents are tried in growing pieces: most of one may be beyond the limit. */
    private static String beginning(String document, ModelTokenizer tokenizer, long most) {
        if (most / MOST_TOKENS_OF_A_CHARACTER >= document.length()) {
            return document;
        }
        for (long size = FIRST_PIECE; ; size *= 2) {
            int end = (int) Math.min(size, document.length());
            String piece = document.substring(0, whole(document, end));
            if (tokenizer.encode(piece).length > most) {
                return cut(piece, tokenizer, most);
            }
            if (end == document.length()) {
                return document;
            }
        }
    }

    /** The longest beginning that has so many tokens. It is text that is cut, not tokens, whose bytes nobody could tell. */
    private static String cut(String document, ModelTokenizer tokenizer, long most) {
        int fits = 0;
        int tooLong = document.length();
        while (tooLong - fits > 1) {
            int middle = (fits + tooLong) >>> 1;
            String beginning = document.substring(0, whole(document, middle));
            if (tokenizer.encode(beginning).length <= most) {
                fits = middle;
            } else {
                tooLong = middle;
            }
        }
        return document.substring(0, whole(document, fits));
    }

    /** Not between the halves of a surrogate pair. */
    private static int whole(String text, int end) {
        boolean split = end > 0 && end < text.length() && Character.isHighSurrogate(text.charAt(end - 1));
        return split ? end - 1 : end;
    }

    private static long utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }

    private void append(int[] ids) {
        if (size + ids.length > tokens.length) {
            tokens = Arrays.copyOf(tokens, Math.max(2 * tokens.length, size + ids.length));
        }
        System.arraycopy(ids, 0, tokens, size, ids.length);
        size += ids.length;
    }

    int size() {
        return size;
    }

    int token(int position) {
        return tokens[position];
    }

    /** Whether the token at a position is one of the text, to be predicted. */
    boolean isScored(int position) {
        return scored.get(position);
    }

    /** How many are. */
    long scoredTokens() {
        return scored.cardinality();
    }

    /** The UTF-8 bytes of the text that those are. */
    long bytes() {
        return bytes;
    }
}
