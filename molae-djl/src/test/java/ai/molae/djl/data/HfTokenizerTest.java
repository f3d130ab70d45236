package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HfTokenizerTest {

    private static final HfTokenizer BYTE_LEVEL = TestTokenizers.byteLevel();
    private static final HfTokenizer BYTE_FALLBACK = TestTokenizers.byteFallback();
    private static final String TEXT = " hello  world\n日本 😀 e\u0301\u0000.";

    @TempDir
    Path folder;

    @AfterAll
    static void close() {
        BYTE_LEVEL.close();
        BYTE_FALLBACK.close();
    }

    private void copy(String tokenizer) throws IOException {
        Files.copy(TestTokenizers.folder(tokenizer).resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
    }

    @Test
    void decodesWhatItEncodes() {
        // The byte-level tokenizer composes e and the accent, as Qwen's does.
        assertThat(BYTE_LEVEL.decode(BYTE_LEVEL.encode(TEXT))).isEqualTo(TEXT.replace("e\u0301", "é"));
        assertThat(BYTE_FALLBACK.decode(BYTE_FALLBACK.encode(TEXT))).isEqualTo(TEXT);
        assertThat(BYTE_LEVEL.encode("")).isEmpty();
        assertThat(BYTE_LEVEL.decode(new int[0])).isEmpty();
    }

    @Test
    void appliesTheMergesOfTheFile() {
        // Ids 0 to 255 are the bytes, then the merges in order: hello is the fourth, " world" the ninth.
        assertThat(BYTE_LEVEL.encode("hello world!")).containsExactly(259, 264, '!');
    }

    @Test
    void addsSpecialTokensOnlyWhenAsked() {
        int[] plain = BYTE_FALLBACK.encode("hello");
        assertThat(plain).hasSize(1);
        assertThat(BYTE_FALLBACK.encode("hello", true)).containsExactly(1, plain[0]);
        assertThat(BYTE_FALLBACK.encode("hello", false)).isEqualTo(plain);
    }

    @Test
    void keepsOrSkipsSpecialTokensWhenDecoding() {
        int end = BYTE_LEVEL.endOfText();
        int[] tokens = BYTE_LEVEL.encode("<|im_start|>hello<think><|im_end|>");
        assertThat(tokens).hasSize(4).endsWith(end);
        assertThat(BYTE_LEVEL.decode(tokens)).isEqualTo("<|im_start|>hello<think><|im_end|>");
        // <think> is an added token, but no special one.
        assertThat(BYTE_LEVEL.decode(tokens, true)).isEqualTo("hello<think>");
    }

    @Test
    void tellsTheSpecialTokensOfTheConfig() {
        assertThat(BYTE_LEVEL.bosToken()).isEmpty();
        int last = BYTE_LEVEL.vocabSize() - 1; // <think>, after the three special tokens
        assertThat(BYTE_LEVEL.eosToken()).contains(new SpecialToken("<|im_end|>", last - 1));
        assertThat(BYTE_LEVEL.padToken()).contains(new SpecialToken("<|endoftext|>", last - 3));
        assertThat(BYTE_LEVEL.endOfText()).isEqualTo(last - 1);

        assertThat(BYTE_FALLBACK.bosToken()).contains(new SpecialToken("<s>", 1));
        assertThat(BYTE_FALLBACK.eosToken()).contains(new SpecialToken("</s>", 2));
        assertThat(BYTE_FALLBACK.padToken()).isEmpty();
    }

    @Test
    void takesSpecialTokensFromTheirMapWhereTheConfigDoesNotMentionThem() throws IOException {
        copy("byte-fallback");
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"bos_token\": null}");
        Files.writeString(
                folder.resolve("special_tokens_map.json"),
                "{\"bos_token\": \"<s>\", \"eos_token\": {\"content\": \"</s>\"}}");
        try (HfTokenizer tokenizer = HfTokenizer.load(folder)) {
            assertThat(tokenizer.bosToken()).isEmpty();
            assertThat(tokenizer.endOfText()).isEqualTo(2);
        }
    }

    @Test
    void needsNoFileButTheVocabulary() throws IOException {
        copy("byte-fallback");
        try (HfTokenizer tokenizer = HfTokenizer.load(folder)) {
            assertThat(tokenizer.encode("hello")).isEqualTo(BYTE_FALLBACK.encode("hello"));
            assertThatThrownBy(tokenizer::endOfText)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("tokenizer_config.json names no eos_token");
        }
    }

    @Test
    void readsVocabulariesThatAreLists() throws IOException {
        Files.writeString(
                folder.resolve("tokenizer.json"),
                """
                {"version": "1.0", "added_tokens": [], "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false,
                 "vocab": [["<unk>", 0.0], ["a", -1.0], ["b", -2.5]]}}
                """);
        try (HfTokenizer tokenizer = HfTokenizer.load(folder)) {
            assertThat(tokenizer.vocabSize()).isEqualTo(3);
            assertThat(tokenizer.encode("ab")).containsExactly(1, 2);
        }
    }

    @Test
    void neverCutsATextWhateverTheFileSays() throws IOException {
        String json = Files.readString(TestTokenizers.folder("byte-fallback").resolve("tokenizer.json"));
        String cutting = json.replaceFirst(
                "\"truncation\": null",
                "\"truncation\": {\"direction\": \"Right\", \"max_length\": 2, \"strategy\": \"LongestFirst\", \"stride\": 0}");
        assertThat(cutting).isNotEqualTo(json);
        Files.writeString(folder.resolve("tokenizer.json"), cutting);
        try (HfTokenizer tokenizer = HfTokenizer.load(folder)) {
            assertThat(tokenizer.encode("hello hello hello hello")).hasSize(4);
        }
    }

    @Test
    void idsThatOnlyTheModelHasDecodeToNothing() {
        // 256 bytes, 14 merges, 3 tokens without one, 4 added ones.
        assertThat(BYTE_LEVEL.vocabSize()).isEqualTo(277);
        int[] hello = BYTE_LEVEL.encode("hello");
        int[] padded = Arrays.copyOf(hello, hello.length + 1);
        padded[hello.length] = BYTE_LEVEL.vocabSize();
        assertThat(BYTE_LEVEL.decode(padded)).isEqualTo("hello");
        assertThatThrownBy(() -> BYTE_LEVEL.decode(new int[] {-1})).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void survivesHalfACharacter() {
        assertThat(BYTE_LEVEL.decode(BYTE_LEVEL.encode("a\uD83Db")))
                .startsWith("a\uFFFD")
                .endsWith("b");
    }

    @Test
    void tellsWhichFileIsMissingOrCorrupt() throws IOException {
        assertThatThrownBy(() -> HfTokenizer.load(folder))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("tokenizer.json");
        for (String corrupt : List.of(
                "",
                "{\"model\": {\"vocab\": {\"a\": ",
                "[]",
                "{}",
                "{\"model\": {\"vocab\": {\"a\": \"b\"}}}",
                "{\"model\": {\"type\": \"Unheard\", \"vocab\": {\"a\": 0}}}",
                "{\"added_tokens\": [{\"content\": \"x\"}]}")) {
            Files.writeString(folder.resolve("tokenizer.json"), corrupt);
            assertThatThrownBy(() -> HfTokenizer.load(folder))
                    .as(corrupt)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining(folder.resolve("tokenizer.json").toString());
        }
    }

    @Test
    void refusesSpecialTokensThatDoNotExist() throws IOException {
        copy("byte-fallback");
        Path config = folder.resolve("tokenizer_config.json");
        Files.writeString(config, "{\"pad_token\": \"[PAD]\"}");
        assertThatThrownBy(() -> HfTokenizer.load(folder))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("pad_token '[PAD]' is not in the vocabulary")
                .hasMessageContaining(config.toString());
        Files.writeString(config, "{\"eos_token\": {\"id\": 2}}");
        assertThatThrownBy(() -> HfTokenizer.load(folder))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(
                        "eos_token must be a text or an object with the text \"content\", got {\"id\":2}");
    }

    @Test
    void manyThreadsMayUseOne() {
        int[] expected = BYTE_FALLBACK.encode(TEXT);
        assertThat(IntStream.range(0, 200)
                        .parallel()
                        .mapToObj(i -> BYTE_FALLBACK.encode(TEXT))
                        .allMatch(tokens -> Arrays.equals(tokens, expected)))
                .isTrue();
    }

    @Test
    void cannotBeUsedAfterItIsClosed() throws IOException {
        HfTokenizer tokenizer = HfTokenizer.load(TestTokenizers.folder("byte-level"));
        tokenizer.close();
        assertThatThrownBy(() -> tokenizer.encode("a")).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void tellsWhichLibraryIsMissing() throws Exception {
        URL[] classPath = {
            HfTokenizer.class.getProtectionDomain().getCodeSource().getLocation()
        };
        // Loads molae's classes anew, and of others all but the library's.
        try (URLClassLoader withoutLibrary = new URLClassLoader(classPath, null) {
            @Override
            protected Class<?> findClass(String name) throws ClassNotFoundException {
                if (name.startsWith("ai.djl.huggingface.")) {
                    throw new ClassNotFoundException(name);
                }
                return name.startsWith("ai.molae.")
                        ? super.findClass(name)
                        : HfTokenizerTest.class.getClassLoader().loadClass(name);
            }
        }) {
            Class<?> type = withoutLibrary.loadClass(HfTokenizer.class.getName());
            assertThatThrownBy(
                            () -> type.getMethod("load", Path.class).invoke(null, TestTokenizers.folder("byte-level")))
                    .isInstanceOf(InvocationTargetException.class)
                    .cause()
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("ai.djl.huggingface:tokenizers");
        }
    }
}
