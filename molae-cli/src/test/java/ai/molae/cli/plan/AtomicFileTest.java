package ai.molae.cli.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class AtomicFileTest {

    @TempDir
    private Path folder;

    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC}) // elsewhere making a link needs a privilege
    void replacesWhatALinkPointsAt() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "old");
        Path link = Files.createSymbolicLink(folder.resolve("link"), file);

        AtomicFile.write(link, "new");

        assertThat(file).hasContent("new");
        assertThat(link).isSymbolicLink();
    }

    /** Asks for the check only, since as root a missing check would replace the device. */
    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC}) // which have device files
    void leavesDevicesAlone() {
        assertThatThrownBy(() -> AtomicFile.target(Path.of("/dev/null")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("/dev/null is no regular file");
    }

    @Test
    @EnabledOnOs({OS.LINUX, OS.MAC}) // elsewhere files have no such permissions
    void leavesTheFileReadableAsAnyOther() throws IOException {
        Path other = Files.writeString(folder.resolve("other"), "");
        Path file = folder.resolve("file");

        AtomicFile.write(file, "new");

        assertThat(Files.getPosixFilePermissions(file)).isEqualTo(Files.getPosixFilePermissions(other));
    }
}
