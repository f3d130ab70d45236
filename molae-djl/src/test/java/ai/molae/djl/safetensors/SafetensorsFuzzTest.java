package ai.molae.djl.safetensors;

import static ai.molae.djl.safetensors.CheckpointFiles.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.testing.ByteMutations;
import ai.molae.testing.Fuzz;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Damaged files: each is either refused with a {@link SafetensorsException}, or read to the last number. Neither costs memory out of
 * proportion to the file.
 */
class SafetensorsFuzzTest {

    /** Streams, buffers and messages; and what objects take more than their text. */
    private static final long ALLOCATED_BASE = 64 << 10;

    private static final long ALLOCATED_PER_BYTE = 64;

    private static final String DAMAGE = "{}[]\",:0-9e.\\ \0";

    private static final String[] ODD = {
        "-1", "0", "1", "1.5", "1e3", "1e999999999", "9223372036854775807", "9223372036854775808", "4294967296", "null",
        "true", "\"\"", "\"F32\"", "{}", "[]", "[0,0]", "[[[[]]]]", "[9223372036854775807,2]", "\"\\ud800\"", "NaN"
    };

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private final FloatBuffer floats = CheckpointFiles.directFloats(4096);
    private final ByteBuffer scratch = ByteBuffer.allocateDirect(1 << 16);
    private int loaded;
    private int refused;

    @TempDir
    private Path temp;

    private void check(String what, byte[] content) throws IOException {
        Path path = temp.resolve("model.safetensors");
        Files.write(path, content);
        long limit = ALLOCATED_BASE + ALLOCATED_PER_BYTE * content.length;
        if (open(what, path, content.length) > limit) {
            // the first of its kind in a process loads classes and makes call sites; the second shows what the file
            // costs
            assertThat(open(what, path, content.length)).as(what).isLessThanOrEqualTo(limit);
        }
    }

    /** Reads everything; returns the bytes allocated on the way. */
    private long open(String what, Path path, int size) throws IOException {
        long before = threads.getCurrentThreadAllocatedBytes();
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            long data = 0;
            for (TensorInfo tensor : file.tensors().values()) {
                for (long at = 0; at < tensor.bytes(); at += scratch.capacity()) {
                    scratch.clear().limit((int) Math.min(scratch.capacity(), tensor.bytes() - at));
                    file.read(tensor, at, scratch);
                    FloatCodec.decode(
                            tensor.type(), scratch.flip().limit(Math.min(scratch.limit(), 4096)), floats.clear());
                }
                data += tensor.bytes();
            }
            assertThat(data).as(what).isLessThanOrEqualTo(size);
            loaded++;
        } catch (SafetensorsException e) {
            assertThat(e.getMessage()).as(what).startsWith(path.toString()).hasSizeLessThan(3000);
            refused++;
        } catch (RuntimeException | StackOverflowError e) {
            throw new AssertionError(what, e);
        }
        return threads.getCurrentThreadAllocatedBytes() - before;
    }

    private static byte[] golden() throws IOException {
        return Files.readAllBytes(
                CheckpointFiles.golden("mixtral-a/bf16-sharded").resolve("model-00002-of-00003.safetensors"));
    }

    private static byte[] small() {
        String header = "{\"__metadata__\":{\"format\":\"pt\"},"
                + CheckpointFiles.entry("a", "F32", "[2,3]", 0, 24) + ","
                + CheckpointFiles.entry("b", "BF16", "[4]", 24, 32) + ","
                + CheckpointFiles.entry("c", "U8", "[0,5]", 32, 32) + "}";
        return bytes(header, 32);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2})
    void bitsFlippedBytesCutInsertedAndCopied(long seed) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        byte[][] files = {small(), golden()};
        for (int i = 0; i < 350; i++) {
            byte[] content = files[i % 4 == 0 ? 1 : 0].clone();
            // mostly in the header, where the damage matters
            int span = random.nextInt(5) == 0 ? content.length : Math.min(content.length, 300);
            for (int n = random.nextInt(3); n >= 0; n--) {
                int at = random.nextInt(span);
                switch (random.nextInt(6)) {
                    case 0 -> content[at] ^= (byte) (1 << random.nextInt(8));
                    case 1 -> content = Arrays.copyOf(content, random.nextInt(content.length + 1));
                    case 2 -> content = Arrays.copyOf(content, content.length + 1 + random.nextInt(20));
                    case 3 -> content = spliced(content, at, random.nextInt(8), random);
                    case 4 -> content[at] = (byte) DAMAGE.charAt(random.nextInt(DAMAGE.length()));
                    default -> content[random.nextInt(8)] = (byte) random.nextInt(256);
                }
                if (content.length < 8) {
                    break;
                }
                span = Math.min(span, content.length);
            }
            check("seed " + seed + ", file " + i, content);
        }
        assertThat(refused).isGreaterThan(150);
        assertThat(loaded).isPositive();
    }

    /** Bytes copied to another place, the header's length mended half of the time. */
    private static byte[] spliced(byte[] content, int at, int count, SplittableRandom random) {
        byte[] longer = new byte[content.length + count];
        System.arraycopy(content, 0, longer, 0, at);
        System.arraycopy(content, Math.max(0, at - count), longer, at, Math.min(count, content.length));
        System.arraycopy(content, at, longer, at + count, content.length - at);
        if (random.nextBoolean() && longer.length >= 8) {
            ByteBuffer buffer = ByteBuffer.wrap(longer).order(ByteOrder.LITTLE_ENDIAN);
            buffer.putLong(0, buffer.getLong(0) + count);
        }
        return longer;
    }

    @ParameterizedTest
    @ValueSource(longs = {3, 4})
    void entriesOfTheHeaderChanged(long seed) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        byte[] whole = small();
        int headerBytes = whole[0] & 0xff;
        String header = new String(whole, 8, headerBytes, StandardCharsets.UTF_8);
        for (int i = 0; i < 350; i++) {
            JsonObject root = JsonParser.parseString(header).getAsJsonObject();
            String tensor = List.of("a", "b", "c", "__metadata__").get(random.nextInt(4));
            JsonObject entry = root.getAsJsonObject(tensor);
            List<String> keys = new ArrayList<>(entry.keySet());
            String key = keys.get(random.nextInt(keys.size()));
            JsonElement value = entry.get(key);
            String odd = ODD[random.nextInt(ODD.length)];
            String text = null;
            switch (random.nextInt(8)) {
                case 0 -> entry.remove(key);
                case 1 -> entry.add("x" + key, value);
                case 2 -> entry.addProperty(key, "@");
                case 3 -> {
                    JsonArray numbers = value.isJsonArray() ? value.getAsJsonArray() : new JsonArray();
                    numbers.add(new JsonPrimitive(random.nextInt(40)));
                }
                case 4 -> {
                    if (value.isJsonArray() && !value.getAsJsonArray().isEmpty()) {
                        JsonArray numbers = value.getAsJsonArray();
                        int at = random.nextInt(numbers.size());
                        numbers.set(at, new JsonPrimitive(numbers.get(at).getAsLong() + random.nextInt(-3, 4)));
                    }
                }
                case 5 -> {
                    List<TensorType> types = List.of(TensorType.values());
                    entry.addProperty(
                            "dtype", types.get(random.nextInt(types.size())).name());
                }
                case 6 -> text = root.toString().replaceFirst("\\}\\}$", "},\"" + tensor + "\":" + entry + "}");
                default -> text = root.toString()
                        .replaceFirst("\"data_offsets\":", "\"" + key + "\":" + odd + ",\"data_offsets\":");
            }
            String changed = text == null ? root.toString().replace("\"@\"", odd) : text;
            check("seed " + seed + ", header " + changed, bytes(changed, 32));
        }
        assertThat(refused).isGreaterThan(150);
        assertThat(loaded).isPositive();
    }

    @Test
    void damagedIndexes() throws IOException {
        Path golden = CheckpointFiles.golden("mixtral-a/bf16-sharded");
        for (String name : CheckpointFiles.contents(golden).keySet()) {
            Files.copy(golden.resolve(name), temp.resolve(name));
        }
        Path index = temp.resolve(ShardIndex.FILE_NAME);
        byte[] whole = Files.readAllBytes(index);
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < 250; i++) {
            byte[] content = whole.clone();
            int at = random.nextInt(content.length);
            switch (random.nextInt(4)) {
                case 0 -> content[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> content = Arrays.copyOf(content, at);
                case 2 -> content[at] = (byte) DAMAGE.charAt(random.nextInt(DAMAGE.length()));
                default -> content = spliced(content, at, random.nextInt(100), random);
            }
            Files.write(index, content);
            try (SafetensorsFolder folder = SafetensorsFolder.open(temp)) {
                for (String name : folder.tensors().keySet()) {
                    folder.readFloats(name, 0, floats.clear().limit(1));
                }
                loaded++;
            } catch (SafetensorsException e) {
                assertThat(e.getMessage()).startsWith(temp.toString()).hasSizeLessThan(3000);
                refused++;
            } catch (RuntimeException e) {
                throw new AssertionError("index " + i, e);
            }
        }
        assertThat(refused).isGreaterThan(150);
        assertThat(loaded).isPositive();
    }

    @Test
    void depthAndLengthCostNoMoreThanTheirText() throws IOException {
        for (String open : new String[] {"[", "{\"a\":", "{\"a\":[", "[{\"shape\":"}) {
            for (String before : new String[] {"", "{\"a\":", "{\"a\":{\"shape\":", "{\"__metadata__\":{\"x\":"}) {
                check("depth " + before + open, bytes(before + open.repeat(50_000), 0));
            }
        }
        check("zeros", bytes("{" + CheckpointFiles.entry("a", "U8", "[" + "0,".repeat(100_000) + "0]", 0, 0) + "}", 0));
        check("ones", bytes("{" + CheckpointFiles.entry("a", "U8", "[" + "1,".repeat(100_000) + "1]", 0, 1) + "}", 1));
        check("digits", bytes("{" + CheckpointFiles.entry("a", "U8", "[" + "9".repeat(500_000) + "]", 0, 0) + "}", 0));
        check("name", bytes("{\"" + "x".repeat(1_000_000) + "\":1}", 0));
        StringBuilder many = new StringBuilder("{");
        for (int i = 0; i < 20_000; i++) {
            many.append(CheckpointFiles.entry("" + i, "U8", "[0]", 0, 0)).append(',');
        }
        check("many", bytes(many + CheckpointFiles.entry("x", "U8", "[1]", 0, 1) + "}", 1));
        byte[] huge = new byte[16];
        for (long length : new long[] {100_000_000, 99_999_999, 1L << 31, Long.MAX_VALUE, -1, 9}) {
            ByteBuffer.wrap(huge).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
            check("length " + length, huge);
        }
        assertThat(loaded).as("zeros, ones and many").isEqualTo(3);
    }

    /** The same damage as of other files, seeded and bounded as they are; see {@link Fuzz}. */
    @Test
    void damagedFilesAreReadOrRefused() throws IOException {
        byte[][] files = {small(), golden()};
        Path path = temp.resolve("fuzz.safetensors");
        Fuzz.of("safetensors", 700)
                .refusedBy(SafetensorsException.class)
                .naming("fuzz.safetensors")
                .allocatingAtMost(16 << 20)
                .run(
                        numbers -> {
                            byte[] file = files[numbers.nextInt(files.length)];
                            return numbers.nextBoolean()
                                    ? ByteMutations.damage(file, numbers)
                                    : SafetensorsMutations.header(file, numbers);
                        },
                        bytes -> {
                            Files.write(path, bytes);
                            try (SafetensorsFile file = SafetensorsFile.open(path)) {
                                for (TensorInfo tensor : file.tensors().values()) {
                                    ByteBuffer some = ByteBuffer.allocate((int) Math.min(4096, tensor.bytes()));
                                    file.read(tensor, tensor.bytes() - some.capacity(), some);
                                }
                            }
                        });
    }
}
