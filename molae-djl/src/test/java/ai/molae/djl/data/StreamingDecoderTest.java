package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class StreamingDecoderTest {

    private static final HfTokenizer BYTE_LEVEL = TestTokenizers.byteLevel();
    private static final HfTokenizer BYTE_FALLBACK = TestTokenizers.byteFallback();
    private static final String TEXT =
            "hello world  the 日本語\n\n😀👨‍👩‍👧 e\u0301 a\u0308\u0323 Здравствуй\t¡ñ! <0x41> � 🏳️‍🌈x\r\n ";

    static List<Tokenizer> tokenizers() {
        return List.of(BYTE_LEVEL, BYTE_FALLBACK, new ByteTokenizer());
    }

    @AfterAll
    static void close() {
        BYTE_LEVEL.close();
        BYTE_FALLBACK.close();
    }

    private static List<String> pieces(StreamingDecoder decoder, int... tokens) {
        List<String> pieces = new ArrayList<>();
        for (int token : tokens) {
            pieces.add(decoder.add(token));
        }
        pieces.add(decoder.end());
        return pieces;
    }

    private static void assertStreams(Tokenizer tokenizer, int[] tokens, String description) {
        assertThat(String.join("", pieces(new StreamingDecoder(tokenizer), tokens)))
                .as(description + ": " + Arrays.toString(tokens))
                .isEqualTo(tokenizer.decode(tokens));
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("tokenizers")
    void piecesOfTextMakeTheText(Tokenizer tokenizer) {
        assertStreams(tokenizer, tokenizer.encode(TEXT), TEXT);
        for (int cut = 0; cut < TEXT.length(); cut++) {
            int[] tokens = tokenizer.encode(TEXT.substring(cut));
            assertStreams(tokenizer, tokens, "text from " + cut);
            assertStreams(
                    tokenizer, IntStream.of(tokens).skip(1).toArray(), "text from " + cut + " without its first token");
            assertStreams(
                    tokenizer,
                    IntStream.of(tokens).limit(Math.max(0, tokens.length - 1)).toArray(),
                    "text from " + cut + " without its last token");
        }
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("tokenizers")
    void piecesOfRandomTokensMakeWhatAllOfThemDecodeTo(Tokenizer tokenizer) {
        Random random = new Random(41);
        for (int run = 0; run < 500; run++) {
            int[] tokens =
                    random.ints(random.nextInt(30), 0, tokenizer.vocabSize()).toArray();
            assertStreams(tokenizer, tokens, "run " + run);
        }
    }

    /** Random ids rarely form characters: here pieces of text, blanks, lone bytes and special tokens take turns. */
    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("tokenizers")
    void piecesOfTextWithRandomTokensInBetweenMakeWhatAllOfThemDecodeTo(Tokenizer tokenizer) {
        Random random = new Random(43);
        int[] text = tokenizer.encode(TEXT);
        for (int run = 0; run < 500; run++) {
            IntStream.Builder tokens = IntStream.builder();
            for (int part = random.nextInt(8); part >= 0; part--) {
                int from = random.nextInt(text.length);
                switch (random.nextInt(4)) {
                    case 0 -> tokens.add(random.nextInt(tokenizer.vocabSize()));
                    case 1 -> tokens.add(tokenizer.encode(" ")[0]);
                    default -> IntStream.range(from, Math.min(text.length, from + 1 + random.nextInt(9)))
                            .forEach(i -> tokens.add(text[i]));
                }
            }
            assertStreams(tokenizer, tokens.build().toArray(), "run " + run);
        }
    }

    @Test
    void piecesCanLeaveSpecialTokensOut() {
        Function<int[], String> decode = tokens -> BYTE_FALLBACK.decode(tokens, true);
        int[] tokens = BYTE_FALLBACK.encode("hello</s> world", true);
        assertThat(pieces(new StreamingDecoder(BYTE_FALLBACK, decode), tokens))
                .containsExactly("", "hello", "", "  ", "w", "or", "ld", "");
        assertThat(BYTE_FALLBACK.decode(tokens, true)).isEqualTo("hello  world");
    }

    @Test
    void holdsBackIncompleteCharactersOnly() {
        // 😀 is f0 9f 98 80, 日 is e6 97 a5.
        StreamingDecoder decoder = new StreamingDecoder(new ByteTokenizer());
        assertThat(pieces(decoder, 'a', 0xF0, 0x9F, 0x98, 0x80, 0xE6, 'b', 0x80, 0xE6, 0x97))
                .containsExactly("a", "", "", "", "😀", "", "\uFFFDb", "\uFFFD", "", "", "\uFFFD");
    }

    @Test
    void holdsBackARunOfBytesUntilItsEnd() {
        int smile = BYTE_FALLBACK.encode("😀")[1]; // after the mark of a blank
        int newline = BYTE_FALLBACK.encode("\n")[1];
        int hello = BYTE_FALLBACK.encode("hello")[0];
        int[] smiles = BYTE_FALLBACK.encode("😀😀 hello");
        assertThat(pieces(new StreamingDecoder(BYTE_FALLBACK), smiles))
                .containsExactly("", "", "", "", "", "", "", "", "", "😀😀 hello", "");
        assertThat(pieces(new StreamingDecoder(BYTE_FALLBACK), hello, newline, hello))
                .containsExactly("hello", "", "\n hello", "");
        // The start of an emoji that does not go on makes every byte of the run a replacement character, the newline
        // too.
        assertThat(pieces(new StreamingDecoder(BYTE_FALLBACK), hello, newline, smile, hello))
                .containsExactly("hello", "", "", "\uFFFD\uFFFD hello", "");
    }

    @Test
    void dropsTheLeadingBlankOfTheTextAndNoOther() {
        int hello = BYTE_FALLBACK.encode("hello")[0];
        assertThat(pieces(new StreamingDecoder(BYTE_FALLBACK), hello, hello)).containsExactly("hello", " hello", "");
    }

    @Test
    void goesOnWhenEveryTokenEndsInsideACharacter() {
        // 日 over and over, cut after the first of its three bytes: e6 | 97 a5 e6 | 97 a5 e6 | ...
        int straddling = BYTE_LEVEL.vocabSize() - 6;
        int[] tokens = new int[50];
        Arrays.fill(tokens, straddling);
        tokens[0] = 0xE6;
        assertThat(BYTE_LEVEL.decode(new int[] {0xE6, straddling, 0x97, 0xA5})).isEqualTo("日日");
        StreamingDecoder decoder = new StreamingDecoder(BYTE_LEVEL);
        StringBuilder text = new StringBuilder();
        for (int token : tokens) {
            text.append(decoder.add(token));
        }
        assertThat(text.length()).isGreaterThan(40);
        assertThat(text + decoder.end()).isEqualTo("日".repeat(49) + "\uFFFD");
    }

    @ParameterizedTest(autoCloseArguments = false)
    @MethodSource("tokenizers")
    void workPerTokenDoesNotGrowWithTheText(Tokenizer tokenizer) {
        AtomicInteger decoded = new AtomicInteger();
        StreamingDecoder decoder = new StreamingDecoder(tokenizer, tokens -> {
            decoded.addAndGet(tokens.length);
            return tokenizer.decode(tokens);
        });
        for (String text :
                List.of(TEXT.repeat(20), "😀".repeat(300), "\uFFFD".repeat(300), "\n".repeat(500), " ".repeat(500))) {
            int[] tokens = tokenizer.encode(text);
            int most = 0;
            for (int token : tokens) {
                decoded.set(0);
                decoder.add(token);
                most = Math.max(most, decoded.get());
            }
            decoder.end();
            assertThat(most).as(text.substring(0, 10)).isLessThan(150);
        }
    }

    @Test
    void isAtTheStartAgainAfterTheEnd() {
        StreamingDecoder decoder = new StreamingDecoder(BYTE_FALLBACK);
        int[] tokens = BYTE_FALLBACK.encode("hello 😀");
        assertThat(String.join("", pieces(decoder, tokens))).isEqualTo("hello 😀");
        assertThat(String.join("", pieces(decoder, tokens))).isEqualTo("hello 😀");
        assertThat(decoder.end()).isEmpty();
    }

    @Test
    void refusesATokenThatDoesNotExistAndGoesOn() {
        StreamingDecoder decoder = new StreamingDecoder(new ByteTokenizer());
        decoder.add(0xC3);
        assertThatThrownBy(() -> decoder.add(256)).isInstanceOf(IllegalArgumentException.class);
        assertThat(decoder.add(0xA9)).isEqualTo("é");
    }
}
