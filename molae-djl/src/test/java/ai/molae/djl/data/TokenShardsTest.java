package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenShardsTest {

    @TempDir
    private Path folder;

    private Path data() {
        return folder.resolve("data");
    }

    /** A tokenizer that has only a name and a number of ids. */
    record Ids(String identity, int vocabSize) implements Tokenizer {
        @Override
        public int[] encode(String text) {
            throw new UnsupportedOperationException();
        }

        @Override
        public String decode(int[] tokens) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int endOfText() {
            return 0;
        }
    }

    static List<TokenDocument> randomDocuments(int count, int vocabSize, boolean masked, long seed) {
        Random random = new Random(seed);
        List<TokenDocument> documents = new ArrayList<>();
        for (int d = 0; d < count; d++) {
            int[] tokens = random.ints(1 + random.nextInt(50), 0, vocabSize).toArray();
            tokens[0] = d == 0 ? vocabSize - 1 : tokens[0];
            boolean[] trained = new boolean[masked && d % 2 == 1 ? tokens.length : 0];
            for (int i = 0; i < trained.length; i++) {
                trained[i] = random.nextBoolean();
            }
            documents.add(new TokenDocument(tokens, trained, 0));
        }
        return documents;
    }

    static void write(Path folder, List<TokenDocument> documents, int vocabSize, long shardTokens) throws IOException {
        try (TokenShardWriter writer = TokenShardWriter.builder()
                .setFolder(folder)
                .setTokenizer(new Ids("ids", vocabSize))
                .optShardTokens(shardTokens)
                .build()) {
            for (TokenDocument document : documents) {
                writer.add(document);
            }
            writer.finish();
        }
    }

    static void assertSame(TokenDocuments actual, TokenDocuments expected) {
        assertThat(actual.documents()).isEqualTo(expected.documents());
        assertThat(actual.tokens()).isEqualTo(expected.tokens());
        assertThat(actual.masked()).isEqualTo(expected.masked());
        assertThat(actual.fingerprint()).isEqualTo(expected.fingerprint());
        for (long d = 0; d <= expected.documents(); d++) {
            assertThat(actual.start(d)).isEqualTo(expected.start(d));
        }
        int size = (int) expected.tokens();
        int[][] tokens = new int[2][size];
        boolean[][] trained = new boolean[2][size];
        for (int i = 0; i < 2; i++) {
            TokenDocuments documents = i == 0 ? actual : expected;
            documents.copyTokens(0, tokens[i], 0, size);
            documents.copyTrained(0, trained[i], 0, size);
        }
        assertThat(tokens[0]).isEqualTo(tokens[1]);
        assertThat(trained[0]).isEqualTo(trained[1]);
        for (long at = 0; at < size; at += 7) {
            assertThat(actual.documentOf(at)).isEqualTo(expected.documentOf(at));
        }
    }

    @ParameterizedTest
    @CsvSource({"300, 100000, false", "300, 64, true", "65536, 100, true", "65537, 100, true", "151936, 300, false"})
    void whatIsWrittenIsRead(int vocabSize, long shardTokens, boolean masked) throws IOException {
        List<TokenDocument> documents = randomDocuments(60, vocabSize, masked, 5);
        write(data(), documents, vocabSize, shardTokens);

        // Pieces of 64 bytes: every shard crosses many borders, as a large one does those of a GiB.
        for (int pieceBits : new int[] {6, MappedBytes.PIECE_BITS}) {
            try (TokenShards shards = TokenShards.open(data(), TokenShards.Check.CHECKSUMS, pieceBits)) {
                assertSame(shards, TokenDocuments.of(documents));
                assertThat(shards.vocabSize()).isEqualTo(vocabSize);
                assertThat(shards.numShards()).isEqualTo((int) files("tokens-"));
            }
        }
        assertThat(files("")).isEqualTo(files("tokens-") + 1);
    }

    private long files(String prefix) throws IOException {
        try (Stream<Path> files = Files.list(data())) {
            return files.filter(file -> file.getFileName().toString().startsWith(prefix))
                    .count();
        }
    }

    @Test
    void aTokenIsTwoBytesWhereTheVocabularyAllowsIt() throws IOException {
        List<TokenDocument> documents = List.of(TokenDocument.of(new int[1000]));
        write(folder.resolve("short"), documents, 65_536, 1000);
        write(folder.resolve("long"), documents, 65_537, 1000);

        // Header 24, two begins 16, trailer 24.
        assertThat(folder.resolve("short/tokens-00000.bin")).hasSize(2000 + 64);
        assertThat(folder.resolve("long/tokens-00000.bin")).hasSize(4000 + 64);
    }

    @Test
    void aDocumentIsInOneShardAndALongOneHasItsOwn() throws IOException {
        List<TokenDocument> documents = List.of(
                TokenDocument.of(1, 2, 3), TokenDocument.of(new int[10]), TokenDocument.of(4), TokenDocument.of(5, 6));
        write(data(), documents, 100, 4);

        try (TokenShards shards = TokenShards.open(data())) {
            assertThat(shards.numShards()).isEqualTo(3);
            assertSame(shards, TokenDocuments.of(documents));
        }
    }

    @Test
    void windowsOfShardsAreThoseOfMemory() throws IOException {
        List<TokenDocument> documents = randomDocuments(60, 1000, true, 6);
        write(data(), documents, 1000, 200);

        try (TokenShards shards = TokenShards.open(data(), TokenShards.Check.SIZES)) {
            for (Packing packing : Packing.values()) {
                PackedWindows mapped = windows(shards, packing);
                PackedWindows inMemory = windows(TokenDocuments.of(documents), packing);
                assertThat(mapped.fingerprint()).isEqualTo(inMemory.fingerprint());
                assertThat(mapped.shuffled(3, 40).inputs())
                        .isEqualTo(inMemory.shuffled(3, 40).inputs());
                assertThat(mapped.shuffled(3, 40).labels())
                        .isEqualTo(inMemory.shuffled(3, 40).labels());
            }
        }
    }

    private static PackedWindows windows(TokenDocuments documents, Packing packing) {
        return PackedWindows.builder()
                .setDocuments(documents)
                .setSequenceLength(32)
                .optPacking(packing)
                .build();
    }

    @Test
    void sizesBeyondTheRangeOfAnIntDoNotOverflow() {
        long tokens = 3L << 30;
        ShardFormat format = new ShardFormat(4, tokens, 1L << 28, true);

        assertThat(format.startsAt()).isEqualTo(24 + 4 * tokens);
        assertThat(format.flagsAt()).isEqualTo(24 + 4 * tokens + 8 * ((1L << 28) + 1));
        assertThat(format.trailerAt()).isEqualTo(format.flagsAt() + tokens / 8);
        assertThat(format.fileBytes()).isEqualTo(format.trailerAt() + 24);
    }

    @Test
    void anInterruptedWriterLeavesNothing() throws IOException {
        try (TokenShardWriter writer = TokenShardWriter.builder()
                .setFolder(data())
                .setTokenizer(new ByteTokenizer())
                .optShardTokens(4)
                .build()) {
            writer.add(TokenDocument.of(1, 2, 3));
            writer.add(TokenDocument.of(1, 2, 3));
            assertThat(files("tokens-")).isEqualTo(2);
            // What is there while it is being written, or after a crash, is no data set.
            assertThatThrownBy(() -> TokenShards.open(data()))
                    .isInstanceOf(TokenShardsException.class)
                    .hasMessageContaining("shards.json: does not exist")
                    .hasMessageContaining("did not finish");
        }
        assertThat(data()).doesNotExist();
    }

    @Test
    void refusesAFolderThatHoldsSomething() throws IOException {
        Files.createDirectories(data());
        Files.writeString(data().resolve("notes.txt"), "mine");

        assertThatThrownBy(() -> write(data(), List.of(TokenDocument.of(1)), 10, 10))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("is not empty");
        assertThat(data().resolve("notes.txt")).exists();
    }

    @Test
    void refusesATokenBeyondTheVocabularyAndNoDocumentAtAll() {
        assertThatThrownBy(() -> write(data(), List.of(TokenDocument.of(1), TokenDocument.of(9, 10)), 10, 10))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("token 1 of document 1 is 10, the vocabulary of ids has 10 ids");
        assertThatThrownBy(() -> write(data(), List.of(), 10, 10))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no document");
        assertThat(data()).doesNotExist();
    }

    @Test
    void knowsWhichTokenizerMadeItsTokens() throws IOException {
        write(data(), List.of(TokenDocument.of(1)), 10, 10);

        try (TokenShards shards = TokenShards.open(data())) {
            shards.check(new Ids("ids", 10));
            assertThatThrownBy(() -> shards.check(new ByteTokenizer()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("made by the tokenizer ids, this one is bytes");
        }
        assertThat(TestTokenizers.byteLevel().identity())
                .startsWith("tokenizer.json ")
                .isEqualTo(TestTokenizers.byteLevel().identity())
                .isNotEqualTo(TestTokenizers.byteFallback().identity());
    }

    @Test
    void whatIsClosedIsNotRead() throws IOException {
        write(data(), List.of(TokenDocument.of(1, 2)), 10, 10);
        TokenShards shards = TokenShards.open(data());
        shards.close();
        shards.close();

        assertThatThrownBy(() -> shards.copyTokens(0, new int[1], 0, 1))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        assertThat(Arrays.asList(shards.documents(), shards.tokens())).containsExactly(1L, 2L);
    }
}
