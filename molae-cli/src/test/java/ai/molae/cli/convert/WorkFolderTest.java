package ai.molae.cli.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WorkFolderTest {

    @TempDir
    private Path folder;

    private Path target;

    @BeforeEach
    void name() {
        target = folder.resolve("target");
    }

    private static void report(Path model) throws IOException {
        Files.createDirectories(model);
        Files.writeString(model.resolve("conversion.json"), "{}");
    }

    @Test
    void theSameCommandFindsWhatItLeft() throws IOException {
        WorkFolder first = WorkFolder.open(target, "a", false);
        Files.createDirectories(first.healing());
        assertThat(first.isConverted()).isFalse();
        report(target);

        WorkFolder again = WorkFolder.open(target, "a", false);

        assertThat(again.isConverted()).isTrue();
        assertThat(again.healing()).isDirectory();
        again.remove();
        assertThat(folder.resolve(".target-work")).doesNotExist();
    }

    @Test
    void anotherCommandIsRefusedUntilARestart() throws IOException {
        Files.createDirectories(WorkFolder.open(target, "a", false).calibration());

        assertThatIllegalArgumentException()
                .isThrownBy(() -> WorkFolder.open(target, "b", false))
                .withMessageContaining("with other options was interrupted")
                .withMessageContaining("--restart");
        assertThat(WorkFolder.open(target, "a", false).calibration()).isDirectory();
        assertThat(WorkFolder.open(target, "b", true).calibration()).doesNotExist();
    }

    @Test
    void aTargetOfSomeoneElseIsRefused() throws IOException {
        report(target);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> WorkFolder.open(target, "a", false))
                .withMessageContaining("exists and is not empty");
        assertThatIllegalArgumentException().isThrownBy(() -> WorkFolder.open(target, "a", true));
    }

    @Test
    void theHealedModelTakesThePlaceOfTheConvertedOneWhereverThatWasInterrupted() throws IOException {
        WorkFolder work = WorkFolder.open(target, "a", false);
        report(target);
        Files.writeString(target.resolve("name"), "converted");
        Files.createDirectories(work.healed());
        assertThat(work.isHealed()).isFalse();
        report(work.healed());
        Files.writeString(work.healed().resolve("name"), "healed");
        assertThat(work.isHealed()).isTrue();
        // As if it were killed between the two moves.
        Files.move(target, folder.resolve(".target-work").resolve("replaced"));

        WorkFolder again = WorkFolder.open(target, "a", false);
        assertThat(again.isHealed()).isTrue();
        again.putHealedInPlace();
        assertThat(target.resolve("name")).hasContent("healed");

        assertThat(again.isHealed()).isTrue();
        again.putHealedInPlace();
        assertThat(target.resolve("name")).hasContent("healed");
    }

    @Test
    void whatIsRefusedTakesOnlyItsOwnWithIt() throws IOException {
        WorkFolder.open(target, "a", false).forget();
        assertThat(folder).isEmptyDirectory();

        Files.createDirectories(WorkFolder.open(target, "a", false).calibration());
        WorkFolder again = WorkFolder.open(target, "a", false);
        again.forget();
        assertThat(again.calibration()).isDirectory();
    }
}
