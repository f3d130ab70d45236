package ai.molae.djl.data;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Makes documents of texts, of conversations, and of prompts with their completions. A text and a completion end with
 * {@link Tokenizer#endOfText}; a conversation ends as its template has it.
 *
 * <p>Of a conversation only what the assistant says is trained on, from where the template asks for an answer to where the answer ends, the
 * token that ends a turn included: that is what a model has to say when it is asked the same way.
 *
 * <p>Safe for concurrent use if the tokenizer is.
 */
public final class DocumentEncoder {

    private static final String ASSISTANT = "assistant";

    private final Tokenizer tokenizer;
    private final Tokenizer textTokenizer;
    private final @Nullable ChatTemplate template;

    private DocumentEncoder(Tokenizer tokenizer, Tokenizer textTokenizer, @Nullable ChatTemplate template) {
        this.tokenizer = tokenizer;
        this.textTokenizer = textTokenizer;
        this.template = template;
    }

    /**
     * An encoder.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * A text, all of which is trained on.
     *
     * @param text the text, not empty
     * @return its tokens, between what the checkpoint puts around a text, and the token that ends it
     * @throws IllegalArgumentException if it is empty or has half a surrogate pair
     */
    public TokenDocument text(String text) {
        long bytes = utf8Bytes(text);
        if (bytes == 0) {
            throw new IllegalArgumentException("the text is empty");
        }
        return new TokenDocument(ended(textTokenizer.encode(text)), new boolean[0], bytes);
    }

    /**
     * A prompt, which is only read, and its completion, which is trained on.
     *
     * @param prompt the prompt; empty for none
     * @param completion what follows, without anything between them; not empty
     * @return the tokens of both, encoded apart, and the token that ends a text
     * @throws IllegalArgumentException if the completion is empty, or half a surrogate pair is in one
     */
    public TokenDocument completion(String prompt, String completion) {
        long bytes = utf8Bytes(prompt) + utf8Bytes(completion);
        if (completion.isEmpty()) {
            throw new IllegalArgumentException("the completion is empty");
        }
        int[] first = textTokenizer.encode(prompt);
        int[] second = ended(tokenizer.encode(completion));
        int[] tokens = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, tokens, first.length, second.length);
        boolean[] trained = new boolean[tokens.length];
        Arrays.fill(trained, first.length, tokens.length, true);
        return new TokenDocument(tokens, trained, bytes);
    }

    private int[] ended(int[] tokens) {
        int end = tokenizer.endOfText();
        if (tokens.length > 0 && tokens[tokens.length - 1] == end) {
            return tokens; // some tokenizers end a text themselves
        }
        int[] ended = Arrays.copyOf(tokens, tokens.length + 1);
        ended[tokens.length] = end;
        return ended;
    }

    /**
     * A conversation of which every answer of the assistant is trained on.
     *
     * @param messages the conversation, the oldest message first
     * @return its tokens, of which only those of the answers are trained on
     * @throws IllegalArgumentException if the assistant says nothing, or the template does not take the conversation, or writes an answer
     *     otherwise once the conversation goes on
     */
    public TokenDocument chat(List<ChatMessage> messages) {
        boolean[] answers = new boolean[messages.size()];
        for (int i = 0; i < answers.length; i++) {
            answers[i] = messages.get(i).role().equals(ASSISTANT);
        }
        return chat(messages, answers);
    }

    /**
     * A conversation of which some answers are trained on.
     *
     * @param messages the conversation, the oldest message first
     * @param answers for each message whether it is trained on; true for answers of the assistant only
     * @return its tokens, of which only those of the chosen answers are trained on
     * @throws IllegalArgumentException if no answer is chosen, or a message of somebody else, or the template does not take the conversation,
     *     or writes a chosen answer otherwise once the conversation goes on
     */
    public TokenDocument chat(List<ChatMessage> messages, boolean[] answers) {
        if (template == null) {
            throw new MissingTemplateException();
        }
        ChatSpans spans = ChatSpans.of(template, messages, answers);
        return ChatTokens.of(tokenizer, spans, utf8Bytes(spans.text()));
    }

    /** Refuses what UTF-8 cannot write: a JSON escape may stand for half a character. */
    private static long utf8Bytes(String text) {
        try {
            ByteBuffer bytes = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
            return bytes.remaining();
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException("the text has half a surrogate pair, which is no character", e);
        }
    }

    /** Builds a {@link DocumentEncoder}. */
    public static final class Builder {
        private @Nullable Tokenizer tokenizer;
        private @Nullable Tokenizer textTokenizer;
        private @Nullable ChatTemplate template;

        private Builder() {}

        /**
         * Sets the tokenizer. Texts and prompts get what an {@link HfTokenizer} puts around a text; conversations and completions do not.
         *
         * @param tokenizer the tokenizer; must stay open
         * @return this builder
         */
        public Builder setTokenizer(Tokenizer tokenizer) {
            this.tokenizer = tokenizer;
            return this;
        }

        /**
         * Sets another way to encode texts and prompts.
         *
         * @param tokenizer adds what stands around a text; of the same vocabulary
         * @return this builder
         */
        public Builder optTextTokenizer(Tokenizer tokenizer) {
            textTokenizer = tokenizer;
            return this;
        }

        /**
         * Sets how conversations are written; without one they are refused.
         *
         * @param template the model's template
         * @return this builder
         */
        public Builder optTemplate(ChatTemplate template) {
            this.template = template;
            return this;
        }

        /**
         * Builds the encoder.
         *
         * @return the encoder
         * @throws IllegalArgumentException if the tokenizer is missing
         */
        public DocumentEncoder build() {
            Tokenizer set = tokenizer;
            if (set == null) {
                throw new IllegalArgumentException("setTokenizer is missing");
            }
            Tokenizer texts = textTokenizer;
            if (texts == null) {
                texts = set instanceof HfTokenizer hf ? new WithSpecialTokens(hf) : set;
            }
            return new DocumentEncoder(set, texts, template);
        }
    }

    /** A conversation that nobody can write: not the fault of the conversation. */
    static final class MissingTemplateException extends IllegalArgumentException {
        private static final long serialVersionUID = 1L;

        private MissingTemplateException() {
            super(
                    "a conversation needs a chat template, and the tokenizer has none; put the model's chat_template.jinja beside its"
                            + " tokenizer.json");
        }
    }

    /** A checkpoint's tokenizer with what it puts around a text. */
    private record WithSpecialTokens(HfTokenizer tokenizer) implements Tokenizer {
        @Override
        public int[] encode(String text) {
            return tokenizer.encode(text, true);
        }

        @Override
        public String decode(int[] tokens) {
            return tokenizer.decode(tokens);
        }

        @Override
        public int vocabSize() {
            return tokenizer.vocabSize();
        }

        @Override
        public int endOfText() {
            return tokenizer.endOfText();
        }

        @Override
        public String identity() {
            return tokenizer.identity();
        }
    }
}
