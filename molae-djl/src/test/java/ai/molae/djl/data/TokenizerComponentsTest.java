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

    private static final String TEMPLATE =
            "{\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"A\"}}], "
                    + "\"pair\": [{\"Sequence\": {\"id\": \"A\"}}, {\"Sequence\": {\"id\": \"B\"}}], \"special_tokens\": {}}";

    @TempDir
    private Path folder;

    private void load(String component) throws IOException {
        Path file = folder.resolve("tokenizer.json");
        Files.writeString(file, "{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0}}, " + component + "}");
        TokenizerFile.read(file, Files.readAllBytes(file), List.of());
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
                "\"decoder\": {\"type\": \"Strip\", \"content\": \"a\", \"start\": 0, \"stop\": 2} | must have the stop 0, got 2",
                "\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, "
                        + "{\"type\": \"Strip\", \"content\": \"a\", \"start\": 1, \"stop\": 1}]} | must have the stop 0, got 1",
                "\"post_processor\": {\"type\": \"Sequence\", \"processors\": [" + TEMPLATE + ", "
                        + "{\"type\": \"Sequence\", \"processors\": [" + TEMPLATE
                        + "]}]} | stands there 2 times, once is allowed",
                "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"x{1,0}\"}, \"content\": \"x\"} | may match nothing",
                "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"a{1,2}[b]{10,9}\"}, \"content\": \"x\"} | may match nothing",
                "\"added_tokens\": [{\"id\": 2147483647, \"content\": \"b\"}] | token 'b' has the id 2147483647",
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
                "\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, "
                        + "{\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]}",
                "\"post_processor\": {\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"}, " + TEMPLATE
                        + "]}",
                "\"normalizer\": {\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}",
                "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"[\\r\\n]+\\\\p{L}{1,2}[^\\\\s\\\\d]\"}, \"content\": \" \"}",
                "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"\u2581\"}, "
                        + "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\u2581\"}]}",
                "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \" {2,}\"}, \"content\": \" \"}",
                "\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"[0-9]+\\\\s\"}, \"content\": \" \"}"
            })
    void passesOnWhatModelsHave(String component) {
        assertThatCode(() -> load(component)).doesNotThrowAnyException();
    }

    /** A file with added tokens in front of the normalizer, one sequence deep. */
    private void loadAdded(String normalizer, String... tokens) throws IOException {
        load("\"added_tokens\": [" + String.join(", ", tokens)
                + "], \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [" + normalizer + "]}");
    }

    private static String added(String content, String flags) {
        return "{\"id\": 1, \"content\": \"" + content + "\", \"normalized\": " + flags.contains("normalized")
                + ", \"lstrip\": " + flags.contains("lstrip") + ", \"rstrip\": " + flags.contains("rstrip") + "}";
    }

    private static String normalizer(String type) {
        return "{\"type\": \"" + type + "\"}";
    }

    private static String replaced(String text, String content) {
        return "{\"type\": \"Replace\", \"pattern\": {\"String\": \"" + text + "\"}, \"content\": \"" + content + "\"}";
    }

    @ParameterizedTest
    @ValueSource(strings = {"Strip", "StripAccents", "Nmt", "BertNormalizer"})
    void refusesAddedTokensOfWhichTheNormalizerMayLeaveNothing(String type) throws IOException {
        assertThatThrownBy(() -> loadAdded(normalizer(type), added("b", "normalized"), added("  ", "normalized")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(folder.resolve("tokenizer.json").toString())
                .hasMessageContaining("of which the normalizer may leave nothing");
        assertThatThrownBy(() -> loadAdded(replaced("b", " ") + ", " + normalizer(type), added("b", "normalized")))
                .hasMessageContaining("of which the normalizer may leave nothing");
        loadAdded(normalizer(type), added("<mask>", "normalized lstrip"), added("[X]", "rstrip"), added("  ", ""));
    }

    @Test
    void refusesNormalizedAddedTokensIfTheNormalizerLeavesTextOut() throws IOException {
        assertThatThrownBy(() -> loadAdded(replaced("b", ""), added("b", "normalized")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("of which the normalizer may leave nothing");
        loadAdded(replaced("b", ""), added("b", ""));
        loadAdded(replaced("b", "c"), added("b", "normalized"));
    }

    @Test
    void refusesAddedTokensOfSpaceThatOverlapWithTheSpaceOfOthers() {
        for (String space : List.of(" ", "\\n\\t", "\u00a0")) {
            assertThatThrownBy(() -> loadAdded("", added(space, "lstrip"), added("x", "rstrip")))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(folder.resolve("tokenizer.json").toString())
                    .hasMessageContaining("is space with lstrip, beside a token with rstrip");
        }
        assertThatThrownBy(() -> loadAdded(replaced("b", " "), added("b", "normalized lstrip"), added("x", "rstrip")))
                .hasMessageContaining("is space with lstrip, beside a token with rstrip");
    }

    @Test
    void passesOnTheAddedTokensThatModelsHave() throws IOException {
        // GPT-NeoX and OLMoE, Phi-3, RoBERTa.
        loadAdded(normalizer("NFC"), added("  ", "normalized"), added("   ", "normalized"));
        loadAdded(replaced(" ", "\u2581"), added("<|user|>", "rstrip"), added("<s>", ""), added("\\n", ""));
        loadAdded("", added("<mask>", "lstrip"), added("<s>", "normalized"));
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
