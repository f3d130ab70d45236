package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.djl.torch.Gemm.Purpose;
import ai.molae.djl.torch.Gemm.Question;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is kept of measurements, and what becomes of files that are not as {@link GemmCache} left them. */
class GemmCacheTest {

    private static final Question TRAINING = new Question(Purpose.TRAINING, Precision.FLOAT32);
    private static final Question INT8 = new Question(Purpose.INFERENCE, Precision.INT8);
    /** FBGEMM, kernel 4. */
    private static final long INT8_FBGEMM = 6 + 16 * 4;
    /** oneDNN in classes 1 and 4 with autograd, in class 0 without. */
    private static final long TRAINING_BY_ROWS = 6 + 16 + 256 * 0b10010 + 65536;

    @TempDir
    private Path folder;

    private GemmCache cache() {
        return new GemmCache(folder, "a CPU, 2 threads");
    }

    private void write(Properties entries) throws IOException {
        try (var out = Files.newOutputStream(cache().file())) {
            entries.store(out, "");
        }
    }

    private static Properties entries(String machine, String int8) {
        Properties entries = new Properties();
        entries.setProperty("machine", machine);
        entries.setProperty("inference.int8", int8);
        return entries;
    }

    private void assertEmptyAndRepairedByPut() {
        assertThat(cache().get(INT8)).isEmpty();
        cache().put(INT8, INT8_FBGEMM);
        assertThat(cache().get(INT8)).hasValue(INT8_FBGEMM);
    }

    @Test
    void keepsEveryValueForTheNextProcess() throws IOException {
        cache().put(TRAINING, TRAINING_BY_ROWS);
        cache().put(INT8, INT8_FBGEMM);
        assertThat(cache().get(TRAINING)).hasValue(TRAINING_BY_ROWS);
        assertThat(cache().get(INT8)).hasValue(INT8_FBGEMM);
        assertThat(cache().get(new Question(Purpose.INFERENCE, Precision.FLOAT32)))
                .isEmpty();
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(cache().file());
        }
    }

    @Test
    void aNewValueTakesThePlaceOfTheOld() {
        cache().put(INT8, INT8_FBGEMM);
        cache().put(INT8, 6 + 16 * 5);
        assertThat(cache().get(INT8)).hasValue(6 + 16 * 5);
    }

    @Test
    void fileNamesDifferBetweenMachines() {
        GemmCache other = new GemmCache(folder, "a CPU, 4 threads");
        cache().put(INT8, INT8_FBGEMM);
        assertThat(other.file()).isNotEqualTo(cache().file());
        assertThat(other.get(INT8)).isEmpty();
    }

    @Test
    void knowsNothingWithoutAFile() {
        assertEmptyAndRepairedByPut();
    }

    @Test
    void makesItsFolders() {
        GemmCache deep = new GemmCache(folder.resolve("a").resolve("b"), "a CPU");
        deep.put(INT8, INT8_FBGEMM);
        assertThat(deep.get(INT8)).hasValue(INT8_FBGEMM);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\0\1\2", "machine=\\u12", "machine", "inference.int8=70"})
    void readsNothingFromGarbage(String text) throws IOException {
        Files.write(cache().file(), text.getBytes(StandardCharsets.ISO_8859_1));
        assertEmptyAndRepairedByPut();
    }

    /** File names are hash codes, which may coincide. */
    @Test
    void readsNothingFromTheFileOfAnotherMachine() throws IOException {
        Properties entries = entries("another CPU", Long.toString(INT8_FBGEMM));
        entries.setProperty("training.float32", Long.toString(TRAINING_BY_ROWS));
        write(entries);
        assertEmptyAndRepairedByPut();
        assertThat(cache().get(TRAINING)).as("an entry of the other machine").isEmpty();
    }

    /** float32's code, a kernel of float16's, one that does not exist, numbers out of range. */
    @ParameterizedTest
    @ValueSource(
            strings = {"6", "54", "118", "-1", "0", "9223372036854775807", "9223372036854775808", "FBGEMM", "", "70.0"})
    void readsNothingFromAnImpossibleEntry(String value) throws IOException {
        write(entries(cache().machine(), value));
        assertEmptyAndRepairedByPut();
    }

    /** Without a class of rows it would be matmul; element type bfloat16; a sixth class; bits beyond the classes. */
    @ParameterizedTest
    @ValueSource(longs = {6 + 16, 31, 6 + 16 + 256 * 32, 6 + 16 + 65536 * 32, 6 + 16 + (1L << 40), -6})
    void readsNothingFromAnImpossibleNumberOfRows(long code) throws IOException {
        Properties entries = entries(cache().machine(), Long.toString(INT8_FBGEMM));
        entries.setProperty("training.float32", Long.toString(code));
        write(entries);
        assertThat(cache().get(TRAINING)).isEmpty();
        assertThat(cache().get(INT8)).as("the entry beside it").hasValue(INT8_FBGEMM);
    }

    @Test
    void spacesAroundANumberDoNoHarm() throws IOException {
        write(entries(cache().machine(), " 70 "));
        assertThat(cache().get(INT8)).hasValue(INT8_FBGEMM);
    }

    @Test
    void aPlaceThatCannotBeWrittenLosesNothing() throws IOException {
        Path file = Files.writeString(folder.resolve("taken"), "kept");
        GemmCache under = new GemmCache(file, "a CPU");
        under.put(INT8, INT8_FBGEMM);
        assertThat(under.get(INT8)).isEmpty();
        assertThat(file).hasContent("kept");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void aFolderInThePlaceOfTheFileLosesNothing() throws IOException {
        Files.createDirectories(cache().file().resolve("full"));
        cache().put(INT8, INT8_FBGEMM);
        assertThat(cache().get(INT8)).isEmpty();
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(cache().file());
        }
    }

    @Test
    void thisMachineHasAName() {
        GemmCache cache = GemmCache.ofThisMachine();
        assertThat(cache.machine()).matches(".+, \\d+ threads, libtorch \\d+\\..*");
        assertThat(cache.file().getFileName().toString()).matches("gemm-[0-9a-f]+\\.properties");
    }
}
