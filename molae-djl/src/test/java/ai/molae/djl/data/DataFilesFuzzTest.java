package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.testing.ByteMutations;
import ai.molae.testing.Fuzz;
import ai.molae.testing.JsonMutations;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Training data with something wrong: token shards and lines of JSON. */
class DataFilesFuzzTest {

    @TempDir
    private Path folder;

    private String index;

    @BeforeEach
    void write() throws IOException {
        boolean[] flags = {true, false, true, true};
        List<TokenDocument> documents = List.of(
                TokenDocument.of(1, 2, 3, 4),
                TokenDocument.of(5, 6, 7, 8),
                new TokenDocument(new int[] {9, 10, 11, 12}, flags, 0));
        TokenShardsTest.write(folder, documents, 300, 20);
        index = Files.readString(folder.resolve("shards.json"));
    }

    /** Reads every token. */
    private void readAll() throws IOException {
        try (TokenShards shards = TokenShards.open(folder)) {
            int count = Math.toIntExact(shards.tokens());
            shards.copyTokens(0, new int[count], 0, count);
            shards.copyTrained(0, new boolean[count], 0, count);
            for (long i = 0; i < count; i++) {
                assertThat(shards.documentOf(i)).isLessThan(shards.documents());
            }
        }
    }

    @Test
    void indexesOfShardsAreReadOrRefused() {
        Fuzz.of("shards.json", 800)
                .refusedBy(TokenShardsException.class)
                .naming(folder.toString())
                .run(random -> JsonMutations.mutate(index, random).getBytes(StandardCharsets.UTF_8), bytes -> {
                    Files.write(folder.resolve("shards.json"), bytes);
                    readAll();
                });
    }

    /** The index has the checksum of the damaged file, so that what is in it counts. */
    @Test
    void shardsWithTheRightChecksumAreReadOrRefused() throws IOException {
        Path shard = folder.resolve("tokens-00000.bin");
        byte[] whole = Files.readAllBytes(shard);
        CRC32C before = new CRC32C();
        before.update(whole);
        String was = ShardIndex.hex(before.getValue());
        assertThat(index).contains(was);
        Fuzz.of("token shard", 800)
                .refusedBy(TokenShardsException.class)
                .naming(shard.toString())
                .run(random -> ByteMutations.damage(whole, random), bytes -> {
                    CRC32C crc = new CRC32C();
                    crc.update(bytes);
                    Files.write(shard, bytes);
                    Files.writeString(
                            folder.resolve("shards.json"), index.replace(was, ShardIndex.hex(crc.getValue())));
                    readAll();
                });
    }

    @Test
    void linesOfJsonAreDocumentsOrRefused() throws IOException {
        ChatTemplate template =
                ChatTemplate.of("{% for m in messages %}{{ m['role'] + m['content'] }}{% endfor %}", Map.of());
        DocumentEncoder encoder = DocumentEncoder.builder()
                .setTokenizer(new ByteTokenizer())
                .optTemplate(template)
                .build();
        DocumentReader reader = DocumentReader.builder().setEncoder(encoder).build();
        List<String> lines = Arrays.asList(
                "{\"text\": \"a text\"}",
                "{\"prompt\": \"1 + 1 = \", \"completion\": \"2\"}",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": \"yes\", \"weight\": 1}]}");
        Path file = folder.resolve("documents.jsonl");
        Fuzz.of("jsonl", 1000)
                .naming("documents.jsonl")
                .run(
                        random -> {
                            byte[] line = JsonMutations.mutate(lines.get(random.nextInt(lines.size())), random)
                                    .getBytes(StandardCharsets.UTF_8);
                            return random.nextInt(4) == 0 ? ByteMutations.damage(line, random) : line;
                        },
                        bytes -> {
                            Files.write(file, bytes);
                            reader.readJsonLines(file, document -> {});
                        });
    }
}
