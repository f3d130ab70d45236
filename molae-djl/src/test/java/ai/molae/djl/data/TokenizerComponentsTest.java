package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files over which the native tokenizer ends the process are not given to it. */
class TokenizerComponentsTest {

    @TempDir
    private Path folder;

    private void load(String component) throws IOException {
        Path file = folder.resolve("tokenizer.json");
        Files.writeString(file, "{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0}}, " + component + "}");
        TokenizerFile.read(file, List.of());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AAAA\"} | normalizer Precompiled",
                "\"normalizer\": {\"precompiled_charsmap\": \"AAAA\"} | is not among those",
                "\"normalizer\": {\"type\": \"Prepend\", \"prepend\": \"\"} | puts nothing in front",
                "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"x\"} | may match nothing",
                "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"x*\"}, \"content\": \"x\"} | may match nothing",
                "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(?<=a)$\"}, \"content\": \"x\"} | may match nothing",
                "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Precompiled\"}]} | normalizer Precompiled",
                "\"pre_tokenizer\": {\"type\": \"FixedLength\", \"length\": 0} | pre_tokenizer FixedLength",
                "\"decoder\": {\"type\": \"Strip\", \"content\": \"x\", \"start\": 1e400, \"stop\": 0} | number out of range",
                "\"decoder\": {\"type\": \"Strip\", \"content\": \"\\ud800\"} | half of a character",
                "\"decoder\": {\"type\": \"Strip\", \"stop\": NaN} | is no tokenizer.json",
                "\"decoder\": {\"type\": \"Fuse\", \"type\": \"Fuse\"} | stands there twice",
                "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"s\"}}], "
                        + "\"pair\": [{\"Sequence\": {\"id\": \"A\"}}], \"special_tokens\": {}} | without a meaning",
                "\"model\": {\"type\": \"BPE\", \"continuing_subword_prefix\": \"##\", \"vocab\": {\"a\": 0}} | must be empty"
            })
    void refusesWhatEndsTheProcess(String component, String message) {
        assertThatThrownBy(() -> load(component))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(folder.resolve("tokenizer.json").toString())
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"normalizer\": null",
                "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"\u2581\"}, "
                        + "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\u2581\"}]}",
                "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \" {2,}\"}, \"content\": \" \"}",
                "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"[0-9]+\\\\s\"}, \"content\": \" \"}"
            })
    void passesOnWhatModelsHave(String component) {
        assertThatCode(() -> load(component)).doesNotThrowAnyException();
    }

    @Test
    void aFileOfMoreBytesThanAnyVocabularyIsRefused() throws IOException {
        Path file = folder.resolve("tokenizer.json");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength((128L << 20) + 1);
        }
        assertThatThrownBy(() -> HfTokenizer.load(folder))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("134217729 bytes")
                .hasMessageContaining("134217728");
    }

    @Test
    void anAddedTokenOverWhichTheLibraryTakesMinutesIsRefused() {
        String token = "x".repeat(100_000);
        assertThatThrownBy(() -> load("\"added_tokens\": [{\"id\": 1, \"content\": \"" + token + "\"}]"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("100000 characters, the limit is 1000");
    }
}
