package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextCorpusTest {

    private final ByteTokenizer tokenizer = new ByteTokenizer();

    @TempDir
    private Path folder;

    @Test
    void readsTheWantedFilesBelowAFolderInTheOrderOfTheirNames() throws IOException {
        Files.createDirectory(folder.resolve("b"));
        Files.writeString(folder.resolve("b/2.java"), "two");
        Files.writeString(folder.resolve("a.java"), "one");
        Files.writeString(folder.resolve("c.txt"), "not wanted");

        TextCorpus corpus = TextCorpus.read(folder, name -> name.endsWith(".java"));

        assertThat(corpus.documents()).containsExactly("one", "two");
        assertThat(corpus.skipped()).isZero();
    }

    @Test
    void readsTheEntriesOfAnArchive() throws IOException {
        Path jar = folder.resolve("x-sources.jar");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(jar))) {
            for (String name : List.of("q/B.java", "q/A.java", "META-INF/MANIFEST.MF")) {
                zip.putNextEntry(new ZipEntry(name));
                zip.write(name.getBytes(StandardCharsets.UTF_8));
            }
        }

        TextCorpus corpus = TextCorpus.read(jar, name -> name.endsWith(".java"));

        assertThat(corpus.documents()).containsExactly("q/A.java", "q/B.java");
    }

    @Test
    void countsFilesThatAreNoText() throws IOException {
        Files.write(folder.resolve("image"), new byte[] {(byte) 0xFF, (byte) 0xD8, 0x41});
        Files.write(folder.resolve("zeros"), new byte[] {0x41, 0, 0x41});
        Files.writeString(folder.resolve("text"), "text");

        TextCorpus corpus = TextCorpus.read(folder, name -> true);

        assertThat(corpus.documents()).containsExactly("text");
        assertThat(corpus.skipped()).isEqualTo(2);
    }

    @Test
    void saysWhichPathDoesNotExist() {
        assertThatThrownBy(() -> TextCorpus.read(folder.resolve("nowhere"), name -> true))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("nowhere");
    }

    @Test
    void splitsWholeDocumentsSoThatNoneIsOnBothSides() {
        List<String> documents =
                IntStream.range(0, 20).mapToObj(i -> "document " + i + "!").toList();

        TextCorpus.Split split = new TextCorpus(documents, 0).split(tokenizer, 0.25, 7);

        String train = tokenizer.decode(split.train());
        String validation = tokenizer.decode(split.validation());
        assertThat(documents).allMatch(d -> train.contains(d + "\0") != validation.contains(d + "\0"));
        assertThat(split.validation().length).isBetween((int) (0.25 * 20 * 12), (int) (0.35 * 20 * 13));
    }

    @Test
    void ordersDocumentsBySeed() {
        TextCorpus corpus = new TextCorpus(
                IntStream.range(0, 20).mapToObj(i -> "document " + i).toList(), 0);

        assertThat(corpus.split(tokenizer, 0.1, 7).train())
                .isEqualTo(corpus.split(tokenizer, 0.1, 7).train());
        assertThat(corpus.split(tokenizer, 0.1, 7).train())
                .isNotEqualTo(corpus.split(tokenizer, 0.1, 8).train());
    }

    @Test
    void cutsASingleDocument() {
        TextCorpus.Split split = new TextCorpus(List.of("0123456789"), 0).split(tokenizer, 0.2, 1);

        assertThat(tokenizer.decode(split.train())).isEqualTo("01234567");
        assertThat(tokenizer.decode(split.validation())).isEqualTo("89\0");
    }

    @Test
    void cutsALargeDocumentRatherThanHoldItBackWhole() {
        TextCorpus corpus = new TextCorpus(List.of("x".repeat(10_000), "brief"), 0);

        for (long seed = 1; seed < 5; seed++) {
            assertThat(corpus.split(tokenizer, 0.1, seed).validation().length).isBetween(1001, 1502);
        }
    }

    @Test
    void refusesACorpusWithoutText() {
        assertThatThrownBy(() -> new TextCorpus(List.of("", ""), 3).split(tokenizer, 0.1, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("2 empty documents, 3 skipped");
    }

    @Test
    void refusesAShareThatLeavesNothing() {
        assertThatThrownBy(() -> new TextCorpus(List.of("text"), 0).split(tokenizer, 1, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1.0");
    }
}
