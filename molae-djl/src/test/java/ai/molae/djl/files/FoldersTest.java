package ai.molae.djl.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FoldersTest {

    @TempDir
    private Path folder;

    @Test
    void aFolderGoesWithAllThatIsInIt() throws IOException {
        Path gone = folder.resolve("gone");
        Files.createDirectories(gone.resolve("deep/empty"));
        Files.writeString(gone.resolve("deep/file"), "text");
        Files.writeString(gone.resolve(".hidden"), "text");
        Path beside = Files.writeString(folder.resolve("gone.part"), "text");
        Folders.delete(gone);
        assertThat(gone).doesNotExist();
        assertThat(beside).hasContent("text");
    }

    @Test
    void aFileGoesToo() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "text");
        Folders.delete(file);
        assertThat(file).doesNotExist();
    }

    @Test
    void whatLinksPointAtStays() throws IOException {
        Path kept = Files.createDirectory(folder.resolve("kept"));
        Path file = Files.writeString(kept.resolve("file"), "text");
        Path gone = Files.createDirectory(folder.resolve("gone"));
        Files.createSymbolicLink(gone.resolve("to-folder"), kept);
        Files.createSymbolicLink(gone.resolve("to-file"), file);
        Files.createSymbolicLink(gone.resolve("to-nothing"), folder.resolve("absent"));
        Folders.delete(gone);
        assertThat(gone).doesNotExist();
        assertThat(file).hasContent("text");
    }

    @Test
    void aLinkItselfGoesAndWhatItPointsAtStays() throws IOException {
        Path kept = Files.createDirectory(folder.resolve("kept"));
        Path file = Files.writeString(kept.resolve("file"), "text");
        Path link = Files.createSymbolicLink(folder.resolve("link"), kept);
        Path dangling = Files.createSymbolicLink(folder.resolve("dangling"), folder.resolve("absent"));
        Folders.delete(link);
        Folders.delete(dangling);
        assertThat(Files.exists(link, LinkOption.NOFOLLOW_LINKS)).isFalse();
        assertThat(Files.exists(dangling, LinkOption.NOFOLLOW_LINKS)).isFalse();
        assertThat(file).hasContent("text");
    }

    @Test
    void nothingHappensWhereNothingIs() {
        assertThatCode(() -> Folders.delete(folder.resolve("absent"))).doesNotThrowAnyException();
    }
}
