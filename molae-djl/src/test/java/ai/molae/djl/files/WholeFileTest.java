package ai.molae.djl.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class WholeFileTest {

    @TempDir
    private Path folder;

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void aTextIsWrittenAsUtf8IntoAFolderThatIsMade() throws IOException {
        Path file = folder.resolve("deep/er/note.txt");
        WholeFile.write(file, "σ → A B");
        assertThat(file).hasContent("σ → A B");
        assertThat(file.getParent()).isDirectoryContaining(found -> found.equals(file));
        try (Stream<Path> files = Files.list(file.getParent())) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void bytesAreWrittenAsTheyAre() throws IOException {
        Path file = folder.resolve("bytes");
        WholeFile.write(file, new byte[] {0, -1, 127});
        assertThat(file).hasBinaryContent(new byte[] {0, -1, 127});
    }

    /** Whoever has the old file open, here by another name, goes on seeing the old content. */
    @Test
    void anOlderFileIsReplacedAndNotWrittenInto() throws IOException {
        Path file = Files.writeString(folder.resolve("note"), "old and long");
        Path reader = Files.createLink(folder.resolve("reader"), file);
        WholeFile.write(file, "new");
        assertThat(file).hasContent("new");
        assertThat(reader).hasContent("old and long");
        assertThat(names()).containsExactly("note", "reader");
    }

    @Test
    void aLinkIsReplacedAndNotWhatItPointsAt() throws IOException {
        Path pointedAt = Files.writeString(folder.resolve("pointed-at"), "old");
        Path link = Files.createSymbolicLink(folder.resolve("link"), pointedAt);
        WholeFile.write(link, "new");
        assertThat(pointedAt).hasContent("old");
        assertThat(link).isRegularFile().hasContent("new");
        assertThat(Files.isSymbolicLink(link)).isFalse();
    }

    @Test
    void whatCannotTakeItsPlaceIsRemoved() throws IOException {
        Files.createDirectories(folder.resolve("note/inside"));
        assertThatThrownBy(() -> WholeFile.write(folder.resolve("note"), "new")).isInstanceOf(IOException.class);
        assertThat(names()).containsExactly("note");
        assertThat(folder.resolve("note/inside")).isDirectory();
    }

    @Test
    void aFileBelowAFileIsRefused() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "old");
        assertThatThrownBy(() -> WholeFile.write(file.resolve("note"), "new")).isInstanceOf(IOException.class);
        assertThat(file).hasContent("old");
    }

    @Test
    void writersAtTheSameTimeDoNotMix() throws IOException {
        Path file = folder.resolve("note");
        IntStream.range(0, 64).parallel().forEach(i -> {
            try {
                WholeFile.write(file, String.valueOf(i % 10).repeat(1 + i));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        String text = Files.readString(file);
        assertThat(text).isEqualTo(String.valueOf((text.length() - 1) % 10).repeat(text.length()));
        assertThat(names()).containsExactly("note");
    }

    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC})
    void onAFullDiskTheOlderFileStaysAndNothingElse() throws Exception {
        Path file = Files.writeString(folder.resolve("note"), "old");
        assertThat(ChildProcess.withLargestFile(1024, WholeFileTest.class, file))
                .contains("failed: ")
                .contains("File too large")
                .doesNotContain("written");
        assertThat(file).hasContent("old");
        assertThat(names()).containsExactly("note");
    }

    /**
     * The process under test: writes 2 MB.
     *
     * @param args the file
     */
    public static void main(String[] args) {
        try {
            WholeFile.write(Path.of(args[0]), new byte[2 << 20]);
            System.out.println("written");
        } catch (IOException e) {
            System.out.println("failed: " + e.getMessage());
        }
    }
}
