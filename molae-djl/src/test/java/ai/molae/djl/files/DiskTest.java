package ai.molae.djl.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is on the disk after a loss of power no test can see; that nothing else happens it can. */
class DiskTest {

    @TempDir
    private Path folder;

    @Test
    void aFileKeepsItsContent() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "text");
        Disk.force(file);
        assertThat(file).hasContent("text");
    }

    @Test
    void aReadOnlyFileCanBeForced() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "text");
        assertThat(file.toFile().setReadOnly()).isTrue();
        Disk.force(file);
        assertThat(file).hasContent("text");
    }

    @Test
    void aFileThatIsNotThereIsAnErrorAndIsNotMade() {
        Path file = folder.resolve("absent");
        assertThatThrownBy(() -> Disk.force(file))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining(file.toString());
        assertThat(file).doesNotExist();
    }

    @Test
    void aFolderCanBeForcedOrItIsLeftAlone() {
        assertThatCode(() -> Disk.forceFolder(folder)).doesNotThrowAnyException();
        assertThatCode(() -> Disk.forceFolder(folder.resolve("absent"))).doesNotThrowAnyException();
        assertThat(folder).isEmptyDirectory();
    }
}
