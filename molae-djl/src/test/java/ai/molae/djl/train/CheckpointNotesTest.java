package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** trainer.json that says what no trainer writes. */
class CheckpointNotesTest {

    private static final String STATE =
            "\"state\": {\"step\": 3, \"tokens\": 3, \"position\": 3, \"trainingSeconds\": 1.0, "
                    + "\"smoothedLoss\": NaN, \"lowestLoss\": NaN, \"validationLoss\": NaN, \"evaluatedStep\": -1}";
    private static final String REST =
            "\"settings\": {}, \"versions\": {}, \"files\": {}, \"model\": {}, \"crc32c\": 1, \"format\": 1";

    @TempDir
    private Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"step\": 3 | \"step\": \"/dev/zero\" | is no JSON",
                "\"step\": 3 | \"step\": -3 | none of them is ever negative",
                "\"files\": {} | \"files\": {\"a\": null} | a value is null",
                "\"settings\": {} | \"settings\": {\"a\": null} | a value is null",
                "\"versions\": {}, | '' | a value is null",
                "\"files\": {} | \"files\": {\"../a\": {\"bytes\": 1, \"crc32c\": 1}} | lists ../a, which is no file of the folder",
                "\"files\": {} | \"files\": {\"/etc/passwd\": {\"bytes\": 1, \"crc32c\": 1}} | which is no file of the folder",
                "\"files\": {} | \"files\": {\"a/../../b\": {\"bytes\": 1, \"crc32c\": 1}} | which is no file of the folder",
                "\"files\": {} | \"files\": {\"\\u0000\": {\"bytes\": 1, \"crc32c\": 1}} | which is no file of the folder",
                "\"format\": 1 | \"format\": 2 | has format 2"
            })
    void areRefused(String what, String by, String message) throws IOException {
        Files.writeString(
                folder.resolve("trainer.json"), ("{" + STATE + ", " + REST + "}").replace(what, by.replace("''", "")));
        assertThatThrownBy(() -> TrainingCheckpoint.open(folder))
                .isInstanceOf(CorruptCheckpointException.class)
                .hasMessageContaining(folder.toString())
                .hasMessageContaining(message);
    }
}
