package ai.molae.djl.hf;

import ai.molae.djl.json.StrictJson;
import ai.molae.djl.safetensors.FloatCodec;
import ai.molae.djl.safetensors.SafetensorsFolder;
import ai.molae.djl.safetensors.SafetensorsWriter;
import ai.molae.djl.safetensors.TensorInfo;
import ai.molae.djl.safetensors.TensorSpec;
import ai.molae.djl.safetensors.TensorType;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/** A golden checkpoint in memory, to be changed and written to another folder. */
final class EditedCheckpoint {

    /** The numbers of F8_E4M3, by their bytes. */
    private static final float[] F8 = f8();

    private final JsonObject config;
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();

    /** A tensor whose numbers are rounded to its type when it is written. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Tensor(TensorType type, List<Long> shape, float[] values) {

        static Tensor of(float[] values, long... shape) {
            return new Tensor(TensorType.F32, Arrays.stream(shape).boxed().toList(), values);
        }

        Tensor as(TensorType other) {
            return new Tensor(other, shape, values);
        }

        Tensor transposed() {
            List<Long> reversed = new ArrayList<>(shape);
            java.util.Collections.reverse(reversed);
            return new Tensor(type, reversed, values);
        }
    }

    private EditedCheckpoint(JsonObject config) {
        this.config = config;
    }

    static EditedCheckpoint of(JsonObject config) {
        return new EditedCheckpoint(config.deepCopy());
    }

    static EditedCheckpoint golden(String name) {
        try (SafetensorsFolder files = SafetensorsFolder.open(GoldenCase.folder(name))) {
            EditedCheckpoint copy = new EditedCheckpoint(StrictJson.parse(Golden.config(name)));
            for (TensorInfo info : files.tensors().values()) {
                FloatBuffer values = FloatBuffer.allocate(Math.toIntExact(info.elements()));
                files.readFloats(info.name(), 0, values);
                copy.tensors.put(info.name(), new Tensor(info.type(), info.shape(), values.array()));
            }
            return copy;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    JsonObject config() {
        return config;
    }

    EditedCheckpoint config(String key, Object value) {
        config.add(key, StrictJson.parse("{\"value\": " + value + "}").get("value"));
        return this;
    }

    Map<String, Tensor> tensors() {
        return tensors;
    }

    Tensor tensor(String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }

    EditedCheckpoint put(String name, Tensor tensor) {
        tensors.put(name, tensor);
        return this;
    }

    Tensor remove(String name) {
        return Objects.requireNonNull(tensors.remove(name), name);
    }

    /** Changes the tensors whose names a predicate accepts. */
    EditedCheckpoint change(Predicate<String> names, UnaryOperator<Tensor> change) {
        tensors.replaceAll((name, tensor) -> names.test(name) ? change.apply(tensor) : tensor);
        return this;
    }

    /** Renames all tensors. */
    EditedCheckpoint rename(UnaryOperator<String> names) {
        Map<String, Tensor> renamed = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> renamed.put(names.apply(name), tensor));
        tensors.clear();
        tensors.putAll(renamed);
        return this;
    }

    /** Takes tensors out and puts one in their place that has their numbers one behind the other. */
    EditedCheckpoint join(List<String> parts, String whole, long... shape) {
        FloatBuffer values =
                FloatBuffer.allocate(Math.toIntExact(Arrays.stream(shape).reduce(1, Math::multiplyExact)));
        parts.forEach(part -> values.put(remove(part).values()));
        if (values.hasRemaining()) {
            throw new IllegalArgumentException(whole + " lacks " + values.remaining() + " numbers");
        }
        return put(whole, Tensor.of(values.array(), shape));
    }

    Path write(Path folder) throws IOException {
        return write(folder, 0);
    }

    Path write(Path folder, long maxShardBytes) throws IOException {
        List<TensorSpec> specs = tensors.entrySet().stream()
                .map(e -> new TensorSpec(
                        e.getKey(), e.getValue().type(), e.getValue().shape()))
                .toList();
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(folder, specs, Map.of("format", "pt"), maxShardBytes)) {
            for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
                writer.writeRaw(entry.getKey(), encode(entry.getValue()));
            }
            writer.finish();
        }
        Files.writeString(folder.resolve(CheckpointConfig.FILE), Golden.text(config));
        return folder;
    }

    private static ByteBuffer encode(Tensor tensor) {
        float[] values = tensor.values();
        ByteBuffer bytes =
                ByteBuffer.allocate(values.length * tensor.type().bytes()).order(ByteOrder.LITTLE_ENDIAN);
        switch (tensor.type()) {
            case F64 -> {
                for (float value : values) {
                    bytes.putDouble(value);
                }
            }
            case F8_E4M3 -> {
                for (float value : values) {
                    bytes.put((byte) toF8(value));
                }
            }
            default -> FloatCodec.encode(FloatBuffer.wrap(values), tensor.type(), bytes);
        }
        return bytes.flip();
    }

    private static float[] f8() {
        byte[] all = new byte[256];
        for (int i = 0; i < all.length; i++) {
            all[i] = (byte) i;
        }
        FloatBuffer values = FloatBuffer.allocate(all.length);
        FloatCodec.decode(TensorType.F8_E4M3, ByteBuffer.wrap(all), values);
        return values.array();
    }

    /** The byte of the nearest number. */
    private static int toF8(float value) {
        int best = 0;
        for (int i = 0; i < F8.length; i++) {
            // false for the NaNs
            if (Math.abs(F8[i] - value) < Math.abs(F8[best] - value)) {
                best = i;
            }
        }
        return best;
    }

    /** What a number becomes in F8_E4M3. */
    static float roundedToF8(float value) {
        return F8[toF8(value)];
    }
}
