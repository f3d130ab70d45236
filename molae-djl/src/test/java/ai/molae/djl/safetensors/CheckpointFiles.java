package ai.molae.djl.safetensors;

import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Files for the tests of this package: golden ones, and such as no writer would write. */
final class CheckpointFiles {

    static final List<String> CASES = List.of(
            "mixtral-a",
            "qwen2_moe-a",
            "qwen3_moe-a",
            "olmoe-a",
            "deepseek_v2-a",
            "deepseek_v2-c",
            "deepseek_v3-a",
            "mixtral-a/bf16-sharded",
            "qwen2_moe-a/bf16-sharded",
            "qwen3_moe-a/bf16-sharded",
            "olmoe-a/bf16-sharded",
            "deepseek_v2-a/bf16-sharded",
            "deepseek_v3-a/bf16-sharded");

    /** After which data repeats: no divisor of any buffer's size. */
    static final int PERIOD = 251;

    private CheckpointFiles() {}

    /** A golden checkpoint that Hugging Face's library wrote. */
    static Path golden(String name) {
        URL url = CheckpointFiles.class.getResource("/ai/molae/djl/hf/" + name);
        try {
            return Path.of(url.toURI());
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(name, e);
        }
    }

    /** A file of a header and data: 0, 1, 2, ... over and over. */
    static byte[] bytes(String header, int dataBytes) {
        return bytes(header.getBytes(StandardCharsets.UTF_8), dataBytes);
    }

    static byte[] bytes(byte[] header, int dataBytes) {
        ByteBuffer file = ByteBuffer.allocate(8 + header.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(header.length).put(header);
        for (int i = 0; i < dataBytes; i++) {
            file.put((byte) (i % PERIOD));
        }
        return file.array();
    }

    /** An entry of a header. */
    static String entry(String name, String type, String shape, long begin, long end) {
        return "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                .formatted(name, type, shape, begin, end);
    }

    /** A file of tensors of one byte each. */
    static void writeBytes(Path file, String... names) throws IOException {
        String header = IntStream.range(0, names.length)
                .mapToObj(i -> entry(names[i], "U8", "[1]", i, i + 1))
                .collect(Collectors.joining(",", "{", "}"));
        Files.write(file, bytes(header, names.length));
    }

    /** The index of a folder, from pairs of tensor and shard. */
    static void writeIndex(Path folder, String... pairs) throws IOException {
        String map = IntStream.range(0, pairs.length / 2)
                .mapToObj(i -> "\"" + pairs[2 * i] + "\": \"" + pairs[2 * i + 1] + "\"")
                .collect(Collectors.joining(", "));
        Files.writeString(
                folder.resolve("model.safetensors.index.json"),
                "{\"metadata\": {\"total_size\": 0}, \"weight_map\": {" + map + "}}");
    }

    /** Names and contents of the files in a folder. */
    static Map<String, String> contents(Path folder) throws IOException {
        Map<String, String> contents = new TreeMap<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                contents.put(file.getFileName().toString(), Files.readString(file, StandardCharsets.ISO_8859_1));
            }
        }
        return contents;
    }

    static FloatBuffer floats(float... values) {
        FloatBuffer buffer = directFloats(values.length);
        return buffer.put(values).flip();
    }

    static FloatBuffer directFloats(int count) {
        return ByteBuffer.allocateDirect(count * Float.BYTES)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer();
    }

    static ByteBuffer littleEndian(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    static float[] read(SafetensorsFolder folder, String name) throws IOException {
        FloatBuffer into =
                directFloats(Math.toIntExact(folder.tensors().get(name).elements()));
        folder.readFloats(name, 0, into);
        return array(into.flip());
    }

    static float[] array(FloatBuffer buffer) {
        float[] array = new float[buffer.remaining()];
        buffer.duplicate().get(array);
        return array;
    }

    static byte[] array(ByteBuffer buffer) {
        byte[] array = new byte[buffer.remaining()];
        buffer.duplicate().get(array);
        return array;
    }

    static float[] sequence(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = i - count / 2f;
        }
        return values;
    }
}
