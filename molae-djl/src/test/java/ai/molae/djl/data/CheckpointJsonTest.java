package ai.molae.djl.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointJsonTest {

    @TempDir
    Path folder;

    private CheckpointJson read(String json) throws IOException {
        return CheckpointJson.read(Files.writeString(folder.resolve("some.json"), json));
    }

    @Test
    void readsValuesByType() throws IOException {
        CheckpointJson json = read("{\"b\": true, \"s\": \"x\", \"n\": 1.5, \"i\": 7, \"l\": [1, 2.0], \"o\": {}}");
        assertThat(json.bool("b")).contains(true);
        assertThat(json.string("s")).contains("x");
        assertThat(json.number("n")).hasValue(1.5);
        assertThat(json.integer("i")).hasValue(7);
        assertThat(json.integers("l")).containsExactly(1, 2);
        assertThat(json.integers("i")).containsExactly(7);
        assertThat(json.value("o")).isPresent();
        assertThatThrownBy(() -> json.integer("n"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(folder.resolve("some.json") + ": n must be an integer of 32 bits, got 1.5");
        assertThatThrownBy(() -> json.string("o")).hasMessageEndingWith("o must be a text, got {}");
    }

    @Test
    void nullIsAbsent() throws IOException {
        CheckpointJson json = read("{\"a\": null}");
        assertThat(json.value("a")).isEmpty();
        assertThat(json.string("a")).isEmpty();
        assertThat(json.integer("a")).isEmpty();
        assertThat(json.integers("a")).isEmpty();
        assertThat(json.number("b")).isEmpty();
        assertThat(json.bool("b")).isEmpty();
    }

    @Test
    void readsTheInfinityThatPythonWrites() throws IOException {
        assertThat(read("{\"limits\": [0.0, Infinity], \"i\": 1}").integer("i")).hasValue(1);
    }

    @Test
    void aMissingFileIsAnErrorOnlyWhereItMustBeThere() throws IOException {
        Path missing = folder.resolve("missing.json");
        assertThat(CheckpointJson.readIfExists(missing).value("a")).isEmpty();
        assertThatThrownBy(() -> CheckpointJson.read(missing))
                .isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining("missing.json");
    }

    @Test
    void refusesWhatIsNoJsonObject() throws IOException {
        assertThatThrownBy(() -> read("{\"a\": ")).hasMessageContaining("some.json is not JSON; is it complete?");
        assertThatThrownBy(() -> read(""))
                .hasMessageContaining("some.json")
                .hasMessageContaining("must hold a JSON object");
        Path binary = Files.write(folder.resolve("binary.json"), new byte[] {(byte) 0xff, (byte) 0xfe});
        assertThatThrownBy(() -> CheckpointJson.read(binary))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("binary.json is not JSON");
    }

    @Test
    void refusesAKeyThatStandsThereTwice() {
        assertThatThrownBy(() -> read("{\"a\": 1, \"a\": 2}"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("some.json")
                .hasMessageContaining("key a stands there twice");
    }

    @Test
    void aMessageShowsTheBeginOfAValueOnly() throws IOException {
        CheckpointJson json = read("{\"a\": \"" + "x".repeat(100_000) + "\"}");
        assertThatThrownBy(() -> json.integer("a"))
                .hasMessageContaining("a must be an integer of 32 bits")
                .hasMessageContaining("(100002 characters)");
    }
}
