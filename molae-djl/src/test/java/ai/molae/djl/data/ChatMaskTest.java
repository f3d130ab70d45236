package ai.molae.djl.data;

import static ai.molae.djl.data.ChatMessage.assistant;
import static ai.molae.djl.data.ChatMessage.system;
import static ai.molae.djl.data.ChatMessage.user;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What is trained on of a conversation, with the templates of real models. */
class ChatMaskTest {

    private static final Map<String, String> TOKENS = Map.of("bos_token", "<s>", "eos_token", "</s>");
    private static final List<ChatMessage> TALK =
            List.of(system("S"), user("Hi"), assistant("hello world"), user("Bye"), assistant("the end"));

    private final HfTokenizer byteLevel = TestTokenizers.byteLevel();
    private final HfTokenizer byteFallback = TestTokenizers.byteFallback();

    @AfterEach
    void close() {
        byteLevel.close();
        byteFallback.close();
    }

    private static DocumentEncoder encoder(Tokenizer tokenizer, String template) throws IOException {
        return DocumentEncoder.builder()
                .setTokenizer(tokenizer)
                .optTemplate(
                        ChatTemplate.of(Files.readString(TestTokenizers.folder("chat/" + template + ".jinja")), TOKENS))
                .build();
    }

    /** The text of a document, what is not trained on in double brackets. */
    private static String shown(TokenDocument document, Tokenizer tokenizer) {
        StringBuilder text = new StringBuilder();
        int from = 0;
        for (int i = 1; i <= document.tokens().length; i++) {
            if (i == document.tokens().length || document.isTrained(i) != document.isTrained(from)) {
                String piece = tokenizer.decode(Arrays.copyOfRange(document.tokens(), from, i));
                text.append(document.isTrained(from) ? piece : "[[" + piece + "]]");
                from = i;
            }
        }
        return text.toString();
    }

    @Test
    void ofChatMlTheAnswersAndTheirEndsAreTrainedOn() throws IOException {
        TokenDocument document = encoder(byteLevel, "chatml").chat(TALK);

        assertThat(shown(document, byteLevel))
                .isEqualTo(
                        """
                        [[<|im_start|>system
                        S<|im_end|>
                        <|im_start|>user
                        Hi<|im_end|>
                        <|im_start|>assistant
                        ]]hello world<|im_end|>
                        [[<|im_start|>user
                        Bye<|im_end|>
                        <|im_start|>assistant
                        ]]the end<|im_end|>
                        """);
        int end = byteLevel.encode("<|im_end|>")[0];
        int at = 0;
        while (!document.isTrained(at) || document.tokens()[at] != end) {
            at++; // the end of the first answer is one special token, and it is trained on
        }
        assertThat(byteLevel.decode(Arrays.copyOfRange(document.tokens(), at - 2, at)))
                .isEqualTo("hello world");
    }

    @Test
    void theTokensAreThoseOfTheWholeTextWhereABorderAllowsIt() throws IOException {
        for (String template : List.of("chatml", "olmoe", "moonlight", "deepseek-v2", "qwen3")) {
            ChatTemplate read =
                    ChatTemplate.of(Files.readString(TestTokenizers.folder("chat/" + template + ".jinja")), TOKENS);
            List<ChatMessage> talk = TALK.subList(0, 3);
            assertThat(encoder(byteLevel, template).chat(talk).tokens())
                    .as(template)
                    .isEqualTo(byteLevel.encode(read.render(talk, false)));
        }
        // A SentencePiece tokenizer puts a blank before every text, so before every piece that is encoded by itself.
        TokenDocument mixtral = encoder(byteFallback, "mixtral").chat(TALK.subList(1, 5));
        assertThat(mixtral.tokens())
                .isEqualTo(byteFallback.encode("<s> [INST] Hi [/INST] hello world</s> [INST] Bye [/INST] the end</s>"));
        // This tokenizer's decoder strips a blank from what it begins with; "▁hello" is one token.
        assertThat(shown(mixtral, byteFallback)).contains("[/INST]]]hello world</s>[[ [INST] Bye [/INST]]]the end</s>");
        int first = 0;
        while (!mixtral.isTrained(first)) {
            first++;
        }
        assertThat(byteFallback.encode("hello")).containsExactly(mixtral.tokens()[first]);
    }

    @Test
    void noTokenIsHalfQuestionAndHalfAnswer() {
        ChatTemplate joining = ChatTemplate.of(
                "{% for m in messages %}{{ 'he' if m.role == 'user' else m.content }}{% endfor %}"
                        + "{% if add_generation_prompt %}{% endif %}",
                Map.of());
        DocumentEncoder encoder = DocumentEncoder.builder()
                .setTokenizer(byteLevel)
                .optTemplate(joining)
                .build();

        TokenDocument document = encoder.chat(List.of(user("x"), assistant("llo")));

        // As a whole "hello" is one token; here the answer begins in its middle.
        assertThat(byteLevel.encode("hello")).hasSize(1);
        assertThat(shown(document, byteLevel)).isEqualTo("[[he]]llo");
    }

    @Test
    void refusesAnAnswerThatTheTemplateWritesOtherwiseLater() throws IOException {
        List<ChatMessage> thoughtful =
                List.of(user("1+1?"), assistant("<think>\nhm\n</think>\n\n2"), user("2+2?"), assistant("4"));
        DocumentEncoder qwen3 = encoder(byteLevel, "qwen3");

        assertThatThrownBy(() -> qwen3.chat(thoughtful))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(
                        "message 2: the template writes the answer otherwise once the conversation goes on")
                .hasMessageContaining("'2<|im_end|>")
                .hasMessageContaining("instead of '<think>")
                .hasMessageContaining("weight 0");
        assertThat(shown(qwen3.chat(thoughtful, new boolean[] {false, false, false, true}), byteLevel))
                .endsWith("<|im_start|>assistant\n]]<think>\n\n</think>\n\n4<|im_end|>\n");
    }

    @Test
    void refusesAnAnswerThatDoesNotBeginAsItIsAskedFor() {
        ChatTemplate wrong = ChatTemplate.of(
                "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
                        + "{% if add_generation_prompt %}bot: {% endif %}",
                Map.of());
        DocumentEncoder encoder = DocumentEncoder.builder()
                .setTokenizer(byteLevel)
                .optTemplate(wrong)
                .build();

        assertThatThrownBy(() -> encoder.chat(List.of(user("a"), assistant("b"))))
                .hasMessageContaining("message 2: the answer does not begin as the template asks for it")
                .hasMessageContaining("'assistant: b\\n' instead of 'bot: '");
    }

    @Test
    void refusesToTrainOnWhatOthersSay() throws IOException {
        DocumentEncoder chatml = encoder(byteLevel, "chatml");

        assertThatThrownBy(() -> chatml.chat(List.of(user("a")), new boolean[] {true}))
                .hasMessageContaining("message 1 is of the role user");
        assertThatThrownBy(() -> chatml.chat(List.of(user("a"))))
                .hasMessageContaining("none of the 1 messages is an answer");
    }

    @Test
    void textsGetWhatTheCheckpointPutsAroundThemAndCompletionsDoNot() throws IOException {
        DocumentEncoder encoder = encoder(byteFallback, "mixtral");
        int begin = byteFallback.bosToken().orElseThrow().id();
        int end = byteFallback.endOfText();

        TokenDocument text = encoder.text("hello");
        assertThat(text.tokens()).startsWith(begin).endsWith(end);
        assertThat(text.textBytes()).isEqualTo(5);
        TokenDocument completion = encoder.completion("hello", "world");
        assertThat(Arrays.stream(completion.tokens()).filter(token -> token == begin))
                .hasSize(1);
        assertThat(completion.tokens()).startsWith(begin).endsWith(end);
        assertThat(completion.isTrained(0)).isFalse();
        assertThat(completion.isTrained(completion.tokens().length - 1)).isTrue();
    }
}
