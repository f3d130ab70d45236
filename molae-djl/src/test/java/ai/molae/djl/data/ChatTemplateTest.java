package ai.molae.djl.data;

import static ai.molae.djl.data.ChatMessage.assistant;
import static ai.molae.djl.data.ChatMessage.system;
import static ai.molae.djl.data.ChatMessage.user;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.Gson;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZonedDateTime;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChatTemplateTest {

    private static final Map<String, String> TOKENS = Map.of("bos_token", "<s>", "eos_token", "</s>");
    private static final List<ChatMessage> TALK = List.of(user("Hi"), assistant("Hello"), user("Bye"));
    private static final List<ChatMessage> TALK_WITH_SYSTEM =
            List.of(system("Be nice. "), user("Hi"), assistant("Hello"), user("Bye"));

    @TempDir
    Path folder;

    private static ChatTemplate template(String name) throws IOException {
        return ChatTemplate.of(Files.readString(TestTokenizers.folder("chat/" + name + ".jinja")), TOKENS);
    }

    @Test
    void rendersMixtral() throws IOException {
        ChatTemplate mixtral = template("mixtral");
        assertThat(mixtral.render(TALK, true)).isEqualTo("<s> [INST] Hi [/INST] Hello</s> [INST] Bye [/INST]");
        assertThat(mixtral.render(TALK_WITH_SYSTEM, true))
                .isEqualTo("<s> [INST] Be nice.\n\nHi [/INST] Hello</s> [INST] Bye [/INST]");
        assertThatThrownBy(() -> mixtral.render(List.of(user("a"), user("b")), true))
                .isInstanceOf(ChatTemplateException.class)
                .hasMessage(
                        "chat template: user and assistant must take turns, not user at 2 (line 11 of the template)");
    }

    @Test
    void rendersQwen15() throws IOException {
        ChatTemplate chatml = template("chatml");
        assertThat(chatml.render(List.of(user("Hi")), true))
                .isEqualTo(
                        """
                        <|im_start|>system
                        You are a helpful assistant<|im_end|>
                        <|im_start|>user
                        Hi<|im_end|>
                        <|im_start|>assistant
                        """);
        assertThat(chatml.render(List.of(system("S"), user("Hi"), assistant("Yo")), false))
                .isEqualTo(
                        """
                        <|im_start|>system
                        S<|im_end|>
                        <|im_start|>user
                        Hi<|im_end|>
                        <|im_start|>assistant
                        Yo<|im_end|>
                        """);
    }

    @Test
    void rendersQwen3() throws IOException {
        ChatTemplate qwen3 = template("qwen3");
        List<ChatMessage> thoughtful =
                List.of(system("S"), user("1+1?"), assistant("<think>\nhm\n</think>\n\n2"), user("2+2?"));
        // Thoughts before the last question are left out.
        String start =
                """
                <|im_start|>system
                S<|im_end|>
                <|im_start|>user
                1+1?<|im_end|>
                <|im_start|>assistant
                2<|im_end|>
                <|im_start|>user
                2+2?<|im_end|>
                """;
        assertThat(qwen3.render(thoughtful, true)).isEqualTo(start + "<|im_start|>assistant\n");
        assertThat(qwen3.render(thoughtful, true, Map.of("enable_thinking", false)))
                .isEqualTo(start + "<|im_start|>assistant\n<think>\n\n</think>\n\n");
        assertThat(qwen3.render(List.of(user("1+1?"), assistant("<think>\nhm\n</think>\n\n2")), false))
                .isEqualTo(
                        "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n<think>\nhm\n</think>\n\n2<|im_end|>\n");
    }

    @Test
    void rendersOlmoe() throws IOException {
        ChatTemplate olmoe = template("olmoe");
        assertThat(olmoe.render(TALK, true))
                .isEqualTo("<s><|user|>\nHi\n<|assistant|>\nHello</s>\n<|user|>\nBye\n<|assistant|>\n");
        assertThat(olmoe.render(TALK.subList(0, 2), false)).isEqualTo("<s><|user|>\nHi\n<|assistant|>\nHello</s>");
    }

    @Test
    void rendersDeepSeekV2() throws IOException {
        ChatTemplate deepSeek = template("deepseek-v2");
        assertThat(deepSeek.render(TALK_WITH_SYSTEM, true))
                .isEqualTo("<s>Be nice. \n\nUser: Hi\n\nAssistant: Hello</s>User: Bye\n\nAssistant:");
        assertThat(deepSeek.render(TALK, false)).isEqualTo("<s>User: Hi\n\nAssistant: Hello</s>User: Bye\n\n");
    }

    @Test
    void rendersDeepSeekV3() throws IOException {
        assertThat(template("deepseek-v3")
                        .render(
                                List.of(system("A"), system("B"), user("Hi"), assistant("x</think>Hello"), user("Bye")),
                                true))
                .isEqualTo("<s>A\n\nB<｜User｜>Hi<｜Assistant｜>Hello</s><｜User｜>Bye<｜Assistant｜>");
    }

    @Test
    void rendersMoonlight() throws IOException {
        assertThat(template("moonlight").render(TALK, true))
                .isEqualTo("<|im_system|>system<|im_middle|>You are a helpful assistant<|im_end|>"
                        + "<|im_user|>user<|im_middle|>Hi<|im_end|><|im_assistant|>assistant<|im_middle|>Hello<|im_end|>"
                        + "<|im_user|>user<|im_middle|>Bye<|im_end|><|im_assistant|>assistant<|im_middle|>");
    }

    @Test
    void toolsAreNoneAsInHuggingFace() {
        assertThat(ChatTemplate.of("{{ tools is defined }} {{ tools is none }} {{ documents is none }}", TOKENS)
                        .render(TALK, true))
                .isEqualTo("True True True");
    }

    @Test
    void aTokenThatIsNotThereIsEmpty() {
        assertThat(ChatTemplate.of("[{{ bos_token }}]{{ eos_token is defined }}", Map.of())
                        .render(TALK, true))
                .isEqualTo("[]False");
    }

    @Test
    void contentIsTextAndNotTemplate() {
        assertThat(ChatTemplate.of("{{ messages[0].content }}", TOKENS)
                        .render(List.of(user("{{ bos_token }} <b>")), true))
                .isEqualTo("{{ bos_token }} <b>");
    }

    @Test
    void knowsTheDate() {
        ZonedDateTime time = ZonedDateTime.parse("2026-03-05T07:08:09+01:00");
        ChatTemplate template = new ChatTemplate(
                "t", "{{ strftime_now('%d %B %Y, %A, %-d.%m.%y %H:%M 100%%') }}", Map.of(), () -> time);
        assertThat(template.render(TALK, true)).isEqualTo("05 March 2026, Thursday, 5.03.26 07:08 100%");
        ChatTemplate wrong = new ChatTemplate("t", "{{ strftime_now('%Q') }}", Map.of(), () -> time);
        assertThatThrownBy(() -> wrong.render(TALK, true))
                .isInstanceOf(ChatTemplateException.class)
                .hasMessageContaining("strftime_now does not know %Q");
    }

    private void writeConfig(Object chatTemplate) throws IOException {
        JsonObject config = new JsonObject();
        config.addProperty("bos_token", "<s>");
        config.add("chat_template", new Gson().toJsonTree(chatTemplate));
        Files.writeString(folder.resolve("tokenizer_config.json"), config.toString());
    }

    private String rendered() throws IOException {
        return ChatTemplate.load(folder).orElseThrow().render(TALK, true);
    }

    @Test
    void readsTheTemplateOfTheTokenizerConfig() throws IOException {
        writeConfig("{{ bos_token }}one");
        assertThat(rendered()).isEqualTo("<s>one");
    }

    @Test
    void readsTheDefaultOfNamedTemplates() throws IOException {
        writeConfig(List.of(
                Map.of("name", "tool_use", "template", "tools"),
                Map.of("name", "default", "template", "{{ bos_token }}d")));
        assertThat(rendered()).isEqualTo("<s>d");

        writeConfig(List.of(Map.of("name", "tool_use", "template", "tools"), Map.of("name", "rag", "template", "r")));
        assertThatThrownBy(this::rendered)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("tokenizer_config.json")
                .hasMessageContaining("named default; there are [rag, tool_use]");
    }

    @Test
    void prefersTheFileOfItsOwn() throws IOException {
        writeConfig("config");
        Files.writeString(folder.resolve("chat_template.jinja"), "{{ bos_token }}file\n");
        assertThat(rendered()).isEqualTo("<s>file");
    }

    @Test
    void aBaseModelHasNoTemplate() throws IOException {
        assertThat(ChatTemplate.load(folder)).isEmpty();
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"chat_template\": null}");
        assertThat(ChatTemplate.load(folder)).isEmpty();
    }

    @Test
    void faultsNameTheFile() throws IOException {
        writeConfig("x\n{{ messages[0].content.nothing() }}");
        assertThatThrownBy(this::rendered)
                .isInstanceOf(ChatTemplateException.class)
                .hasMessage(folder.resolve("tokenizer_config.json")
                        + ", chat_template: a text has no 'nothing', which is undefined (line 2 of the template)");
        writeConfig("{% if %}");
        assertThatThrownBy(this::rendered)
                .isInstanceOf(ChatTemplateException.class)
                .hasMessageContaining("tokenizer_config.json")
                .hasMessageContaining("expected an expression");
        writeConfig(7);
        assertThatThrownBy(this::rendered)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("chat_template must be a template or a list of objects")
                .hasMessageContaining("got 7");
        Files.writeString(folder.resolve("chat_template.jinja"), "{{ raise_exception('no') }}");
        assertThatThrownBy(this::rendered)
                .isInstanceOf(ChatTemplateException.class)
                .hasMessage(folder.resolve("chat_template.jinja") + ": no (line 1 of the template)");
    }

    @Test
    void aMessageNeedsARole() {
        assertThatThrownBy(() -> new ChatMessage(" ", "x"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("got ' '");
    }
}
