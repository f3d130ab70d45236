package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.generate.GenerationConfig;
import ai.molae.testing.ByteMutations;
import ai.molae.testing.Fuzz;
import ai.molae.testing.JsonMutations;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The small JSON files of a checkpoint folder with something wrong: read, or refused with the file's name. */
class TokenizerConfigFuzzTest {

    private static final String TOKENIZER_CONFIG =
            """
            {"add_bos_token": true, "model_max_length": 1e30, "bos_token": {"content": "<s>", "lstrip": false},
             "eos_token": "</s>", "pad_token": null, "unk_token": "<unk>",
             "added_tokens_decoder": {"0": {"content": "<unk>", "special": true}},
             "chat_template": [{"name": "default", "template": "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"},
                               {"name": "tool_use", "template": "{{ messages | length }}"}]}
            """;
    private static final String GENERATION_CONFIG =
            """
            {"eos_token_id": [1, 2], "bos_token_id": 0, "pad_token_id": 3, "do_sample": true, "temperature": 0.7, "top_k": 50,
             "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1, "max_new_tokens": 100, "max_length": 4096,
             "transformers_version": "4.50.0"}
            """;

    @TempDir
    Path folder;

    private interface Reader {
        void read() throws IOException;
    }

    private void fuzz(String file, int cases, String text, Reader reader) {
        Fuzz.Tally tally = Fuzz.of(file, cases)
                .naming(file)
                .run(
                        random -> {
                            byte[] changed = JsonMutations.mutate(text, random).getBytes(StandardCharsets.UTF_8);
                            return random.nextInt(4) == 0 ? ByteMutations.damage(changed, random) : changed;
                        },
                        bytes -> {
                            Files.write(folder.resolve(file), bytes);
                            reader.read();
                        });
        assertThat(Fuzz.isLong() || tally.worked() > cases / 20).as("%s", tally).isTrue();
    }

    @Test
    void tokenizerConfigsAreReadOrRefused() {
        List<ChatMessage> messages = List.of(ChatMessage.user("a"), ChatMessage.assistant("b"));
        fuzz("tokenizer_config.json", 1000, TOKENIZER_CONFIG, () -> {
            SpecialTokenTexts.read(folder);
            ChatTemplate.load(folder).ifPresent(template -> template.render(messages, true));
        });
    }

    @Test
    void generationConfigsAreReadOrRefused() {
        fuzz("generation_config.json", 1000, GENERATION_CONFIG, () -> GenerationConfig.read(folder)
                .sampling(10)
                .build());
    }
}
