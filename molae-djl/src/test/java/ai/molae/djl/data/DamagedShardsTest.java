package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.molae.djl.data.TokenShards.Check;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32C;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Three shards of three documents, damaged in every way. */
class DamagedShardsTest {

    private static final int VOCABULARY = 300;

    @TempDir
    private Path folder;

    @BeforeEach
    void write() throws IOException {
        boolean[] flags = {true, false, true, true};
        List<TokenDocument> documents = List.of(
                TokenDocument.of(1, 2, 3, 4),
                TokenDocument.of(5, 6, 7, 8),
                new TokenDocument(new int[] {9, 10, 11, 12}, flags, 0));
        TokenShardsTest.write(folder, documents, VOCABULARY, 4);
    }

    private Path shard(int number) {
        return folder.resolve("tokens-0000" + number + ".bin");
    }

    private AbstractThrowableAssert<?, ?> assertRefused(Check check) {
        return assertThatThrownBy(() -> TokenShards.open(folder, check).close())
                .isInstanceOf(TokenShardsException.class)
                .hasMessageContaining("tokenize the text again");
    }

    private void index(String from, String to) throws IOException {
        Path file = folder.resolve("shards.json");
        String text = Files.readString(file);
        assertThat(text).contains(from);
        Files.writeString(file, text.replace(from, to));
    }

    private void put(int shard, int position, int value) throws IOException {
        byte[] bytes = Files.readAllBytes(shard(shard));
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putShort(position, (short) value);
        Files.write(shard(shard), bytes);
    }

    private static long crc32c(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return crc.getValue();
    }

    @ParameterizedTest
    @EnumSource(Check.class)
    void aShardThatIsCutOffAnywhere(Check check) throws IOException {
        byte[] whole = Files.readAllBytes(shard(1));
        for (int size = 0; size < whole.length; size++) {
            Files.write(shard(1), Arrays.copyOf(whole, size));
            assertRefused(check)
                    .hasMessageContaining("tokens-00001.bin: has " + size + " bytes, shards.json says " + whole.length)
                    .hasMessageContaining("cut off");
        }
        Files.write(shard(1), Arrays.copyOf(whole, whole.length + 8));
        assertRefused(check).hasMessageContaining("has " + (whole.length + 8) + " bytes");
    }

    @Test
    void aBitOfAnyByteThatFlips() throws IOException {
        for (int number = 0; number < 3; number++) {
            byte[] whole = Files.readAllBytes(shard(number));
            for (int at = 0; at < whole.length; at++) {
                byte[] flipped = whole.clone();
                flipped[at] ^= (byte) (1 << at % 8);
                Files.write(shard(number), flipped);
                assertRefused(Check.CHECKSUMS).hasMessageContaining("tokens-0000" + number + ".bin");
            }
            Files.write(shard(number), whole);
        }
        byte[] whole = Files.readAllBytes(shard(2));
        put(2, 24, 13);
        assertRefused(Check.CHECKSUMS)
                .hasMessageContaining("shards.json says " + ShardIndex.hex(crc32c(whole)))
                .hasMessageContaining("checksum " + ShardIndex.hex(crc32c(Files.readAllBytes(shard(2)))));
    }

    @ParameterizedTest
    @EnumSource(Check.class)
    void shardsThatAreMissingOrSwapped(Check check) throws IOException {
        Path aside = folder.resolve("aside");
        Files.move(shard(0), aside);
        assertRefused(check).hasMessageContaining("tokens-00000.bin: is missing; shards.json lists 3 shards");

        Files.move(shard(1), shard(0));
        Files.move(aside, shard(1));
        assertRefused(check).hasMessageContaining("number of the shard: it says 1, expected 0");

        Files.copy(shard(2), shard(0), StandardCopyOption.REPLACE_EXISTING);
        assertRefused(check).hasMessageContaining("tokens-00000.bin");
    }

    @Test
    void theShardOfAnotherDataSet() throws IOException {
        Path other = folder.resolve("other");
        TokenShardsTest.write(other, List.of(TokenDocument.of(1, 2, 3, 9)), VOCABULARY, 4);
        Files.copy(other.resolve("tokens-00000.bin"), shard(0), StandardCopyOption.REPLACE_EXISTING);

        assertRefused(Check.CHECKSUMS).hasMessageContaining("of another data set");
    }

    @ParameterizedTest
    @EnumSource(Check.class)
    void versionsAndFormatsOfOthers(Check check) throws IOException {
        put(1, 8, 2);
        assertRefused(check).hasMessageContaining("tokens-00001.bin: version: it says 2, expected 1");
        put(1, 0, 7);
        assertRefused(check).hasMessageContaining("does not begin as a shard of molae");

        index("\"version\": 1", "\"version\": 2");
        assertRefused(check)
                .hasMessageContaining("shards.json: is of format molae-tokens, version 2")
                .hasMessageContaining("reads molae-tokens, version 1");
    }

    @Test
    void aTokenBeyondTheVocabularyIsFoundWhenItIsRead() throws IOException {
        put(1, 24 + 2 * 2, VOCABULARY);

        try (TokenShards shards = TokenShards.open(folder, Check.SIZES)) {
            shards.copyTokens(0, new int[6], 0, 6);
            assertThatThrownBy(() -> shards.copyTokens(4, new int[4], 0, 4))
                    .isInstanceOf(TokenShardsException.class)
                    .hasMessageContaining("tokens-00001.bin: token 2 is 300, the vocabulary has 300 ids");
        }
    }

    @Test
    void beginsOfDocumentsThatDoNotAscendThoughTheChecksumFits() throws IOException {
        Path twoDocuments = folder.resolve("two");
        TokenShardsTest.write(twoDocuments, List.of(TokenDocument.of(1, 2), TokenDocument.of(3, 4)), VOCABULARY, 100);
        Path file = twoDocuments.resolve("tokens-00000.bin");
        byte[] bytes = Files.readAllBytes(file);
        String before = ShardIndex.hex(crc32c(bytes));
        bytes[24 + 8 + 8] = 9; // where the second document begins
        Files.write(file, bytes);
        Path index = twoDocuments.resolve("shards.json");
        Files.writeString(index, Files.readString(index).replace(before, ShardIndex.hex(crc32c(bytes))));

        assertThatThrownBy(() -> TokenShards.open(twoDocuments))
                .isInstanceOf(TokenShardsException.class)
                .hasMessageContaining("document 1 begins at token 9 and ends at 4");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"tokens\": 12 | \"tokens\": 13 | 3 documents and 13 tokens, its 3 shards have 3 and 12",
                "\"vocab_size\": 300 | \"vocab_size\": 70000 | vocab_size 70000 and token_type uint16",
                "\"vocab_size\": 300 | \"vocab_size\": -1 | vocab_size must be a whole number, got -1",
                "\"vocab_size\" | \"size\" | has no vocab_size",
                "tokens-00002.bin | ../other.bin | is called ../other.bin",
                "\"masked\": false | \"masked\": {} | masked must be true or false, got {}",
                "\"bytes\": 72 | \"bytes\": 71 | expected the name tokens-00000.bin and 72 bytes",
                "\"shards\": [ | \"shards\": [] , \"rest\": [ | its 0 shards",
                "\"shards\": [ | \"shards\": [1, | a shard must be an object",
                "{ | [ | is not JSON"
            })
    void anIndexThatIsWrong(String from, String to, String message) throws IOException {
        index(from, to);

        assertRefused(Check.SIZES).hasMessageContaining("shards.json: ").hasMessageContaining(message);
    }

    @Test
    void anIndexThatIsCutOffAnywhere() throws IOException {
        Path file = folder.resolve("shards.json");
        String text = Files.readString(file).strip();
        for (int size = 0; size < text.length(); size++) {
            Files.writeString(file, text.substring(0, size));
            assertThatThrownBy(() -> TokenShards.open(folder)).isInstanceOf(TokenShardsException.class);
        }
    }

    @Test
    void anIndexWithAnyCharacterChangedIsReadOrRefusedButNothingElse() throws IOException {
        Path file = folder.resolve("shards.json");
        byte[] text = Files.readAllBytes(file);
        Random random = new Random(8);
        int refused = 0;
        for (int at = 0; at < text.length; at++) {
            byte[] changed = text.clone();
            changed[at] = "{}[],:\"0a\u00ff".getBytes(StandardCharsets.ISO_8859_1)[random.nextInt(10)];
            Files.write(file, changed);
            try (TokenShards shards = TokenShards.open(folder, Check.SIZES)) {
                assertThat(shards.documents()).isEqualTo(3);
                assertThat(shards.tokens()).isEqualTo(12);
            } catch (TokenShardsException e) {
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(text.length / 3);
    }

    @Test
    void aKeyOfTheIndexTwice() throws IOException {
        index("\"version\"", "\"vocab_size\": 1, \"version\"");
        assertRefused(Check.CHECKSUMS).hasMessageContaining("key vocab_size stands there twice");
    }
}
