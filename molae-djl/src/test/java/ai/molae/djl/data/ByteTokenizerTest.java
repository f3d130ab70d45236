package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ByteTokenizerTest {

    private final ByteTokenizer tokenizer = new ByteTokenizer();

    @Test
    void givesOneTokenPerUtf8Byte() {
        assertThat(tokenizer.encode("aé€")).containsExactly(0x61, 0xC3, 0xA9, 0xE2, 0x82, 0xAC);
    }

    @Test
    void decodesWhatItEncoded() {
        String text = "int größe = \"🙂\";\n";
        assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
    }

    @Test
    void showsHalfACharacterAsReplacement() {
        assertThat(tokenizer.decode(new int[] {0x61, 0xC3})).isEqualTo("a\uFFFD");
    }

    @Test
    void refusesWhatIsNoByte() {
        assertThatThrownBy(() -> tokenizer.decode(new int[] {65, 256}))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("256")
                .hasMessageContaining("position 1");
    }

    /** Every byte but 0 occurs in valid UTF-8 except C0, C1 and F5 to FF; those that do occur cover every character of the file but theirs. */
    @Test
    void savesATokenizerOfHuggingFaceThatGivesTheSameIds(@TempDir Path folder) throws IOException {
        StringBuilder text = new StringBuilder();
        for (int point = 1; point < Character.MAX_CODE_POINT; point += point < 0x900 ? 1 : 0x7F1) {
            if (point < Character.MIN_SURROGATE || point > Character.MAX_SURROGATE) {
                text.appendCodePoint(point);
            }
        }
        tokenizer.save(folder);
        try (HfTokenizer saved = HfTokenizer.load(folder)) {
            assertThat(saved.encode(text.toString())).isEqualTo(tokenizer.encode(text.toString()));
            assertThat(saved.decode(saved.encode(text.toString()))).isEqualTo(text.toString());
            assertThat(saved.vocabSize()).isEqualTo(256);
            assertThat(saved.endOfText()).isEqualTo(tokenizer.endOfText());
            assertThat(saved.decode(new int[] {'a', 0}, true)).isEqualTo("a");
            assertThat(saved.decode(new int[] {0xF5, 'a'})).isEqualTo("\uFFFDa");
        }
        assertThat(Files.readString(folder.resolve("generation_config.json"))).contains("\"eos_token_id\": 0");
    }
}
