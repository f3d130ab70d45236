package ai.molae.djl.files;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SmallTextTest {

    @TempDir
    private Path folder;

    @Test
    void readsAFileUpToTheLimit() throws IOException {
        Path file = Files.writeString(folder.resolve("a"), "häh");
        assertThat(SmallText.read(file, 4)).isEqualTo("häh");
        assertThatThrownBy(() -> SmallText.read(file, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(file + " has 4 bytes, the limit for such a file is 3");
    }

    /** The size is looked at before anything is read: 3 TB would not fit into any memory. */
    @Test
    void refusesAHugeFileByItsSize() throws IOException {
        Path file = folder.resolve("huge");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(3L << 40);
        } catch (IOException e) {
            assumeTrue(false, "no sparse files here");
        }
        assertThatThrownBy(() -> SmallText.read(file, SmallText.SETTINGS))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("3298534883328 bytes")
                .hasMessageContaining("16777216");
    }

    @Test
    void readsADeviceNoFurtherThanToTheLimit() {
        Path zero = Path.of("/dev/zero");
        assumeTrue(Files.exists(zero));
        assertThatThrownBy(() -> SmallText.read(zero, 1000))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("more than 1000 bytes");
    }

    @Test
    void followsALink() throws IOException {
        Path file = Files.writeString(folder.resolve("a"), "text");
        assertThat(SmallText.read(Files.createSymbolicLink(folder.resolve("link"), file), 4))
                .isEqualTo("text");
    }

    @Test
    void refusesWhatIsNoTextOrNotThere() throws IOException {
        Path file = Files.write(folder.resolve("binary"), new byte[] {(byte) 0xff});
        assertThatThrownBy(() -> SmallText.read(file, 10)).isInstanceOf(CharacterCodingException.class);
        assertThatThrownBy(() -> SmallText.read(folder.resolve("missing"), 10))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("missing");
    }
}
