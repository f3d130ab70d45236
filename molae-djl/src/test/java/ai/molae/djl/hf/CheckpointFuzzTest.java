package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.json.StrictJson;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.safetensors.SafetensorsException;
import ai.molae.djl.torch.Precision;
import ai.molae.testing.ByteMutations;
import ai.molae.testing.Fuzz;
import ai.molae.testing.JsonMutations;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Damaged folders: a model that answers, be it with NaN, or an exception of ours that says what is wrong. Never another exception.
 */
class CheckpointFuzzTest {

    private static final int FOLDERS = 300;
    /** What may be thrown, from code of ours: no subclass such as NumberFormatException, whose message does not say what to do. */
    private static final Set<Class<?>> OURS = Set.of(
            IllegalArgumentException.class,
            IllegalStateException.class,
            SafetensorsException.class,
            UncheckedIOException.class);

    private static final List<Integer> NUMBERS =
            List.of(0, 1, 2, 3, 4, 5, 8, 16, 22, 32, 64, 112, 4096, 32_768, 1 << 28, 1 << 29, Integer.MAX_VALUE, -1);

    private final SplittableRandom random = new SplittableRandom(77);
    private final List<Map<String, byte[]>> wholes = new ArrayList<>();
    private int loaded;
    private int refused;

    @TempDir
    private Path folder;

    /** The files of a golden folder with stacked experts in one layer, or in shards, or as it was. */
    private Map<String, byte[]> whole(String name, int form) throws IOException {
        EditedCheckpoint edited = EditedCheckpoint.golden(name);
        if (form == 1) {
            StackedExpertsTest.stack(edited, 1);
        }
        Path whole = edited.write(folder.resolve(name + form), form == 2 ? 60_000 : 0);
        Map<String, byte[]> files = new TreeMap<>();
        try (Stream<Path> list = Files.list(whole)) {
            for (Path file : list.toList()) {
                files.put(file.getFileName().toString(), Files.readAllBytes(file));
            }
        }
        return files;
    }

    /** Breaks up to three keys of the config, a file, or both. */
    private Map<String, byte[]> damaged(int number) throws IOException {
        int which = number % (3 * Golden.CASES.size());
        if (which == wholes.size()) {
            wholes.add(whole(Golden.CASES.get(which / 3), which % 3));
        }
        Map<String, byte[]> files = new TreeMap<>(wholes.get(which));
        JsonObject config = StrictJson.parse(new String(files.get(CheckpointConfig.FILE), StandardCharsets.UTF_8));
        for (int k = number % 4; k > 0; k--) {
            changeKey(config);
        }
        files.put(CheckpointConfig.FILE, Golden.text(config).getBytes(StandardCharsets.UTF_8));
        if (number % 4 == 0 || random.nextInt(4) == 0) {
            List<String> all = new ArrayList<>(files.keySet());
            String file = all.get(random.nextInt(all.size()));
            files.computeIfPresent(file, (n, bytes) -> damage(bytes, n.endsWith(".safetensors")));
        }
        return files;
    }

    /** Numbers take others' places, switches turn, keys go. */
    private void changeKey(JsonObject config) {
        List<String> keys = new ArrayList<>(config.keySet());
        String key = keys.get(random.nextInt(keys.size()));
        switch (random.nextInt(5)) {
            case 0 -> config.remove(key);
            case 1 -> config.add(key, config.get(keys.get(random.nextInt(keys.size()))));
            default -> {
                JsonPrimitive value = config.get(key).isJsonPrimitive() ? config.getAsJsonPrimitive(key) : null;
                if (value != null && value.isBoolean()) {
                    config.addProperty(key, !value.getAsBoolean());
                } else {
                    config.addProperty(key, NUMBERS.get(random.nextInt(NUMBERS.size())));
                }
            }
        }
    }

    private byte[] damage(byte[] bytes, boolean tensors) {
        // half of the time in the header, where names, types, shapes and places stand
        int span = tensors && random.nextBoolean()
                ? (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong() + 8
                : bytes.length;
        return switch (random.nextInt(5)) {
            case 0 -> Arrays.copyOf(bytes, random.nextInt(bytes.length));
            case 1 -> Arrays.copyOf(bytes, bytes.length + 1 + random.nextInt(9));
            case 2 -> otherType(bytes);
            default -> {
                byte[] flipped = bytes.clone();
                for (int k = random.nextInt(1, 40); k > 0; k--) {
                    flipped[random.nextInt(span)] ^= (byte) (1 << random.nextInt(8));
                }
                yield flipped;
            }
        };
    }

    /** Another element type of the same size, in one tensor or in all. */
    private byte[] otherType(byte[] bytes) {
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        String changed =
                random.nextBoolean() ? text.replace("\"F32\"", "\"I32\"") : text.replaceFirst("\"F32\"", "\"I32\"");
        return changed.getBytes(StandardCharsets.ISO_8859_1);
    }

    @Test
    @Timeout(120)
    void damagedFoldersAreModelsOrRefused() throws IOException {
        for (int number = 0; number < FOLDERS; number++) {
            Map<String, byte[]> files = damaged(number);
            Path broken = Files.createDirectory(folder.resolve("" + number));
            for (Map.Entry<String, byte[]> file : files.entrySet()) {
                Files.write(broken.resolve(file.getKey()), file.getValue());
            }
            open(number, broken);
        }
        assertThat(loaded).isGreaterThan(FOLDERS / 10);
        assertThat(refused).isGreaterThan(FOLDERS / 3);
    }

    private void open(int number, Path broken) throws IOException {
        try (NDManager manager = NDManager.newBaseManager();
                Checkpoint checkpoint = Checkpoint.open(broken)) {
            CausalLm model = number % 13 == 0
                    ? checkpoint.loadForInference(manager, Precision.INT8)
                    : checkpoint.load(manager, Precision.FLOAT32);
            assertThat(Loading.logits(model)).hasSize(12 * model.spec().vocabSize());
            loaded++;
        } catch (Exception | Error e) {
            if (!OURS.contains(e.getClass())
                    || !e.getStackTrace()[0].getClassName().startsWith("ai.molae.")) {
                fail(
                        "folder " + number + ": "
                                + Files.readString(broken.resolve("config.json"), StandardCharsets.ISO_8859_1),
                        e);
            }
            assertThat(e.getMessage()).as("folder %d", number).hasSizeBetween(20, 10_000);
            refused++;
        }
    }

    /** One file of a folder changed at a time, in structure and in bytes: its config, its index, the header of a shard or the shard. */
    @Test
    void foldersWithOneFaultyFileAreModelsOrRefused() throws IOException {
        List<Map<String, byte[]>> sources = new ArrayList<>();
        for (int i = 0; i < Golden.CASES.size(); i++) {
            sources.add(whole(Golden.CASES.get(i), i % 3));
        }
        Path broken = Files.createDirectory(folder.resolve("broken"));
        Fuzz.of("checkpoint folder", 120)
                .refusedBy(
                        IllegalArgumentException.class,
                        IllegalStateException.class,
                        IOException.class,
                        UncheckedIOException.class)
                .run(numbers -> faulty(sources, numbers), bytes -> {
                    // The first bytes say which file of which folder this is.
                    Map<String, byte[]> files = new TreeMap<>(sources.get(at(bytes, 0) % sources.size()));
                    List<String> names = new ArrayList<>(files.keySet());
                    files.put(
                            names.get(at(bytes, 1) % names.size()),
                            Arrays.copyOfRange(bytes, Math.min(2, bytes.length), bytes.length));
                    for (Map.Entry<String, byte[]> file :
                            replaced(broken, files).entrySet()) {
                        Files.write(broken.resolve(file.getKey()), file.getValue());
                    }
                    try (NDManager manager = NDManager.newBaseManager();
                            Checkpoint checkpoint = Checkpoint.open(broken)) {
                        CausalLm model = checkpoint.load(manager, Precision.FLOAT32);
                        assertThat(Loading.logits(model)).isNotEmpty();
                    }
                });
    }

    private static Map<String, byte[]> replaced(Path broken, Map<String, byte[]> files) throws IOException {
        try (Stream<Path> before = Files.list(broken)) {
            for (Path file : before.toList()) {
                Files.delete(file);
            }
        }
        return files;
    }

    private static int at(byte[] bytes, int index) {
        return index < bytes.length ? bytes[index] & 0xff : 0;
    }

    private static byte[] faulty(List<Map<String, byte[]>> sources, SplittableRandom numbers) throws IOException {
        int source = numbers.nextInt(sources.size());
        List<String> names = new ArrayList<>(sources.get(source).keySet());
        int which = numbers.nextInt(names.size());
        byte[] whole = sources.get(source).get(names.get(which));
        byte[] changed;
        if (names.get(which).endsWith(".safetensors")) {
            changed = numbers.nextBoolean() ? ByteMutations.damage(whole, numbers) : header(whole, numbers);
        } else {
            changed = JsonMutations.mutate(new String(whole, StandardCharsets.UTF_8), numbers)
                    .getBytes(StandardCharsets.UTF_8);
        }
        ByteBuffer input = ByteBuffer.allocate(2 + changed.length);
        return input.put((byte) source).put((byte) which).put(changed).array();
    }

    /** Faults in the JSON of a header, whose length is right again. */
    private static byte[] header(byte[] file, SplittableRandom numbers) {
        int length = (int) ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong();
        byte[] changed = JsonMutations.mutate(new String(file, 8, length, StandardCharsets.UTF_8).strip(), numbers)
                .getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(file.length - length + changed.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(changed.length)
                .put(changed)
                .put(file, 8 + length, file.length - 8 - length)
                .array();
    }
}
