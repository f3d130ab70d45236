package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

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
}
