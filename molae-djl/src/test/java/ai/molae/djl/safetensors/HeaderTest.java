package ai.molae.djl.safetensors;

import static ai.molae.djl.safetensors.CheckpointFiles.bytes;
import static ai.molae.djl.safetensors.CheckpointFiles.entry;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What headers are read and written, and how faulty ones are refused. */
class HeaderTest {

    private static final String A = entry("a", "F32", "[2]", 0, 8);

    @TempDir
    private Path temp;

    private SafetensorsFile open(byte[] content) throws IOException {
        return SafetensorsFile.open(Files.write(temp.resolve("x.safetensors"), content));
    }

    private void assertRefused(byte[] content, String... parts) {
        assertThatExceptionOfType(SafetensorsException.class)
                .isThrownBy(() -> open(content).close())
                .withMessageStartingWith(temp.resolve("x.safetensors") + ": ")
                .withMessageContainingAll(parts)
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(2000));
    }

    @Test
    void tensorsStandInTheOrderOfTheirDataWithPlaceAndShape() throws IOException {
        String header =
                "{" + entry("late", "I64", "[2,1]", 4, 20) + ", \"__metadata__\": {\"format\": \"pt\", \"é\": \"\"},"
                        + entry("scalar", "F32", "[]", 0, 4) + "}   ";
        try (SafetensorsFile file = open(bytes(header, 20))) {
            long start = 8L + header.getBytes(StandardCharsets.UTF_8).length;
            assertThat(file.tensors().values())
                    .containsExactly(
                            new TensorInfo("scalar", TensorType.F32, List.of(), start, 4),
                            new TensorInfo("late", TensorType.I64, List.of(2L, 1L), start + 4, 16));
            assertThat(file.tensors().keySet()).containsExactly("scalar", "late");
            assertThat(file.tensors().get("scalar").elements()).isEqualTo(1);
            assertThat(file.tensors().get("late").elements()).isEqualTo(2);
            assertThat(file.metadata()).containsExactly(Map.entry("format", "pt"), Map.entry("é", ""));
        }
    }

    @Test
    void everyTypeIsKnownByItsName() throws IOException {
        for (TensorType type : TensorType.values()) {
            try (SafetensorsFile file = open(bytes(
                    "{" + entry("t", type.safetensorsName(), "[3]", 0, 3L * type.bytes()) + "}", 3 * type.bytes()))) {
                assertThat(file.tensors().get("t").type()).isEqualTo(type);
            }
        }
    }

    @Test
    void emptyTensorsAndEmptyFilesAreAllowed() throws IOException {
        String header = "{" + entry("b", "F32", "[0,4]", 4, 4) + "," + entry("c", "U8", "[4]", 0, 4) + ","
                + entry("a", "F16", "[0]", 0, 0) + "}";
        try (SafetensorsFile file = open(bytes(header, 4))) {
            assertThat(file.tensors().keySet()).containsExactly("a", "c", "b");
        }
        try (SafetensorsFile file = open(bytes("{}", 0))) {
            assertThat(file.tensors()).isEmpty();
            assertThat(file.metadata()).isEmpty();
        }
    }

    static Stream<Arguments> faultyHeaders() {
        String deep = "[".repeat(100_000) + "]".repeat(100_000);
        String twoInOne = "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],";
        return Stream.of(
                arguments("", 8, "header of 0 bytes"),
                arguments(" {" + A + "}", 8, "begin with '{'"),
                arguments("\ufeff{" + A + "}", 8, "begin with '{'"),
                arguments("[]", 0, "begin with '{'"),
                arguments("{" + A, 8, "not JSON"),
                arguments("{" + A + ",}", 8, "not JSON"),
                arguments("{" + A + "}x", 8, "not JSON"),
                arguments("{" + A + "}{}", 8, "not JSON"),
                arguments("{" + A + "}\0\0", 8, "not JSON"),
                arguments("{a:{}}", 8, "not JSON"),
                arguments("{'a':{}}", 8, "not JSON"),
                arguments("{\"a\":NaN}", 8, "not JSON"),
                arguments("{\"a\":null}", 8, "tensor a must be an object, found NULL"),
                arguments("{\"a\":[]}", 8, "tensor a must be an object, found BEGIN_ARRAY"),
                arguments("{\"a\":" + deep + "}", 8, "tensor a must be an object"),
                arguments("{" + "\"a\":{".repeat(50_000) + "}".repeat(50_001), 8, "is no key of a tensor"),
                arguments("{\"a\":{\"shape\":" + deep + "}}", 8, "shape must be integers, found BEGIN_ARRAY"),
                arguments("{" + A + "," + A + "}", 8, "the header has the key a twice"),
                arguments("{" + A + "," + A.replace("\"a\"", "\"\\u0061\"") + "}", 8, "key a twice"),
                arguments("{\"a\":" + twoInOne + "\"shape\":[2]}}", 8, "tensor a has the key shape twice"),
                arguments("{\"a\":" + twoInOne + "\"more\":1}}", 8, "tensor a: more is no key"),
                arguments("{\"a\":{}}", 8, "tensor a has no dtype"),
                arguments("{\"a\":{\"dtype\":\"F32\"}}", 8, "tensor a has no shape"),
                arguments("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "tensor a has no data_offsets"),
                arguments("{\"a\":{\"dtype\":7}}", 8, "dtype must be a string, found NUMBER"),
                arguments("{" + entry("a", "f32", "[2]", 0, 8) + "}", 8, "F8_E4M3], got f32"),
                arguments("{" + entry("a", "F8_E5M2", "[8]", 0, 8) + "}", 8, "got F8_E5M2"),
                arguments("{" + entry("a", "F32", "2", 0, 8) + "}", 8, "shape must be a list of integers"),
                arguments("{" + entry("a", "F32", "[\"2\"]", 0, 8) + "}", 8, "shape must be integers, found STRING"),
                arguments("{" + entry("a", "F32", "[2.0]", 0, 8) + "}", 8, "got 2.0"),
                arguments("{" + entry("a", "F32", "[2e0]", 0, 8) + "}", 8, "got 2e0"),
                arguments("{" + entry("a", "F32", "[1e999999999]", 0, 8) + "}", 8, "got 1e999999999"),
                arguments("{" + entry("a", "F32", "[-2]", 0, 8) + "}", 8, "got -2"),
                arguments("{" + entry("a", "F32", "[-0]", 0, 0) + "}", 0, "got -0"),
                arguments("{" + entry("a", "F32", "[02]", 0, 8) + "}", 8, "not JSON"),
                arguments("{" + entry("a", "F32", "[9223372036854775808]", 0, 8) + "}", 8, "got 9223372036854775808"),
                arguments("{" + entry("a", "U8", "[4294967296,4294967296]", 0, 0) + "}", 0, "more than 2^63 bytes"),
                arguments("{" + entry("a", "F64", "[1152921504606846976]", 0, 0) + "}", 0, "more than 2^63 bytes"),
                arguments("{" + entry("a", "F32", "[2]", 0, 8).replace("8]", "8,9]") + "}", 8, "2 numbers, got 3"),
                arguments("{" + entry("a", "F32", "[2]", 8, 0) + "}", 8, "[8, 0], which end before they begin"),
                arguments("{" + entry("a", "F32", "[2]", 0, 7) + "}", 8, "7 bytes, but shape [2] of F32 has 8"),
                arguments("{" + entry("a", "F32", "[2]", 0, 8) + "}", 7, "[0, 8], but the file has only 7 bytes"),
                arguments("{" + entry("a", "F32", "[2]", 1, 9) + "}", 9, "a hole after the header, which ends at 0"),
                arguments("{" + A + "," + entry("b", "U8", "[2]", 9, 11) + "}", 11, "tensor b", "hole after tensor a"),
                arguments("{" + A + "," + entry("b", "U8", "[2]", 7, 9) + "}", 9, "tensor b", "overlapping tensor a"),
                arguments("{" + A + "," + entry("b", "F32", "[2]", 0, 8) + "}", 8, "tensor b", "overlapping tensor a"),
                arguments("{" + A + "," + entry("b", "U8", "[0]", 4, 4) + "}", 8, "tensor b", "overlapping tensor a"),
                arguments("{" + A + "}", 9, "end at byte 8 of the data, but the file has 9"),
                arguments("{}", 1, "end at byte 0 of the data, but the file has 1"),
                arguments("{\"__metadata__\":[]}", 0, "__metadata__ must be an object"),
                arguments("{\"__metadata__\":{\"n\":1}}", 0, "__metadata__.n must be a string, found NUMBER"),
                arguments("{\"__metadata__\":{\"n\":{}}}", 0, "__metadata__.n must be a string"),
                arguments("{\"__metadata__\":{\"n\":\"\",\"n\":\"\"}}", 0, "__metadata__ has the key n twice"),
                arguments("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "the key __metadata__ twice"),
                arguments("{\"\\ud800\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "Unicode"),
                arguments("{\"" + "n".repeat(90_000) + "\":{}}", 0, "... (90000 characters) has no dtype"));
    }

    @ParameterizedTest
    @MethodSource("faultyHeaders")
    void refusesAFaultyHeaderAndSaysWhy(String header, int dataBytes, String message) {
        assertRefused(bytes(header, dataBytes), message);
    }

    @Test
    void namesBothTensorsOfAnOverlapOrHole() {
        assertRefused(
                bytes("{" + A + "," + entry("b", "U8", "[2]", 7, 9) + "}", 9),
                "tensor b has the offsets [7, 9], overlapping tensor a, which ends at 8");
    }

    @Test
    void refusesWhatIsNotUtf8() {
        byte[] latin = ("{" + A.replace("\"a\"", "\"é\"") + "}").getBytes(StandardCharsets.ISO_8859_1);
        assertRefused(bytes(latin, 8), "not UTF-8");
        byte[] cutOff = ("{" + A + "}é").getBytes(StandardCharsets.UTF_8);
        cutOff[cutOff.length - 2] = ' ';
        cutOff[cutOff.length - 1] = (byte) 0xc3;
        assertRefused(bytes(cutOff, 8), "not UTF-8");
    }

    @Test
    void refusesFilesThatAreTooShortForTheirHeader() {
        assertRefused(new byte[0], "has 0 bytes, too few for the 8");
        assertRefused(new byte[7], "has 7 bytes");
        assertRefused(new byte[] {3, 0, 0, 0, 0, 0, 0, 0, '{', '}'}, "length is 3 bytes, the file has only 2");
        assertRefused(new byte[] {0, 0, 0, 0, 0, 0, 0, -128, '{', '}'}, "length is 9223372036854775808 bytes");
        assertRefused(new byte[] {1, -31, -11, 5, 0, 0, 0, 0, '{', '}'}, "length is 100000001 bytes", "100000000");
        assertRefused(new byte[] {0, -31, -11, 5, 0, 0, 0, 0, '{', '}'}, "length is 100000000 bytes", "only 2");
    }

    @Test
    void everyTruncationOfAGoldenFileIsRefused() throws IOException {
        byte[] whole = Files.readAllBytes(
                CheckpointFiles.golden("mixtral-a/bf16-sharded").resolve("model-00001-of-00003.safetensors"));
        for (int length = 0; length < whole.length; length += length < 200 ? 1 : 997) {
            assertRefused(Arrays.copyOf(whole, length), "bytes");
        }
    }

    @Test
    void refusesToWriteAHeaderThatNobodyWouldRead() {
        TensorSpec long100 = TensorSpec.of("n".repeat(10_000_000), TensorType.U8, 1);
        List<TensorSpec> tensors = Collections.nCopies(10, long100);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Header.bytes(tensors, Map.of()))
                .withMessageContainingAll("a header of 1000", "for 10 tensors", "100000000");
    }

    @Test
    void specsRefuseWhatNoFileCanHold() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TensorSpec.of("a", TensorType.U8, 3, -1))
                .withMessageContainingAll("tensor a", "[3, -1]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TensorSpec.of("a", TensorType.F32, 1L << 61))
                .withMessageContaining("2^63");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TensorSpec.of("__metadata__", TensorType.F32, 1))
                .withMessageContaining("keeps it for itself");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> TensorSpec.of("\ud800", TensorType.F32, 1))
                .withMessageContaining("Unicode");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new TensorInfo("a", TensorType.F32, List.of(2L), 8, 9))
                .withMessageContainingAll("has 8 bytes, got 9 at position 8");
    }
}
