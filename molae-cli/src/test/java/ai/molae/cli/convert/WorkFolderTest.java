package ai.molae.cli.convert;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WorkFolderTest {

    @TempDir
    private Path folder;

    @Test
    void theSameCommandFindsWhatItLeft() throws IOException {
        Path target = folder.resolve("target");
        WorkFolder first = WorkFolder.open(target, "a", false);
        Files.createDirectories(first.healing());
        assertThat(WorkFolder.isLeft(target, "a")).isFalse();
        first.markConverted();

        assertThat(WorkFolder.isLeft(target, "a")).isTrue();
        assertThat(WorkFolder.isLeft(target, "b")).isFalse();
        WorkFolder again = WorkFolder.open(target, "a", false);
        assertThat(again.isConverted()).isTrue();
        assertThat(again.healing()).isDirectory();
        again.remove();
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void anotherCommandAndARestartBeginAnew() throws IOException {
        Path target = folder.resolve("target");
        WorkFolder.open(target, "a", false).markConverted();
        assertThat(WorkFolder.open(target, "b", false).isConverted()).isFalse();
        WorkFolder.open(target, "b", false).markConverted();
        assertThat(WorkFolder.open(target, "b", true).isConverted()).isFalse();
    }
}
