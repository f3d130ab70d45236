package ai.molae.djl.hf;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.djl.safetensors.SafetensorsWriter;
import ai.molae.djl.safetensors.TensorInfo;
import ai.molae.djl.safetensors.TensorSpec;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.ArrayBytes;
import ai.molae.djl.torch.WeightSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** All tensors of a model that are no routed experts of some layers: copied as they are, or decoded where they are quantised or stand otherwise in the original. */
final class UnchangedTensors {

    private static final Pattern EXPERTS =
            Pattern.compile("layers\\.(\\d+)\\.mlp\\.(" + String.join("|", LayerRows.PARAMETERS) + ")");
    private static final int CHUNK = 4 << 20;

    private final Checkpoint original;
    private final List<TensorBinding> bindings;
    private final List<TensorSpec> tensors = new ArrayList<>();

    /**
     * Finds them.
     *
     * @param original where they come from
     * @param config of the model they are written for
     * @param layers whose routed experts are left out
     * @param type element type of those that are decoded
     */
    UnchangedTensors(Checkpoint original, CheckpointConfig config, Set<Integer> layers, TensorType type) {
        this.original = original;
        bindings = config.family().bindings(config.spec()).stream()
                .filter(binding -> !isExpertOf(layers, binding.parameter()))
                .toList();
        for (TensorBinding binding : bindings) {
            for (Piece piece : binding.pieces()) {
                boolean exact = config.family().keepsFloat32(piece.tensor());
                tensors.add(new TensorSpec(
                        piece.tensor(),
                        exact ? TensorType.F32 : isSame(piece) ? sourceType(piece) : type,
                        piece.shape()));
            }
        }
    }

    /** Copies them into files of a folder, whose names it returns. */
    List<String> copy(Path folder, CheckpointDraft.Progress progress) throws IOException {
        Files.createDirectories(folder);
        long total = tensors.stream().mapToLong(TensorSpec::bytes).sum();
        try (SafetensorsWriter writer = SafetensorsWriter.create(
                        folder, tensors, Map.of("format", "pt"), CheckpointSaver.DEFAULT_SHARD_BYTES);
                NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            Map<String, Parameter> decoded = decoded();
            WeightSource source = original.weights(decoded);
            long done = 0;
            int next = 0;
            for (TensorBinding binding : bindings) {
                for (Piece piece : binding.pieces()) {
                    TensorSpec tensor = tensors.get(next++);
                    if (isCopied(piece, tensor)) {
                        copy(writer, tensor);
                    } else {
                        decode(
                                writer,
                                manager,
                                source,
                                Objects.requireNonNull(decoded.get(binding.parameter())),
                                piece);
                    }
                    done += tensor.bytes();
                    progress.tell(done, total);
                }
            }
            writer.finish();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".safetensors"))
                    .sorted()
                    .toList();
        }
    }

    /** The parameters that are read through one source; the whole of each is one row of numbers. */
    private Map<String, Parameter> decoded() {
        Map<String, Parameter> byPath = new LinkedHashMap<>();
        int next = 0;
        for (TensorBinding binding : bindings) {
            for (Piece piece : binding.pieces()) {
                if (!isCopied(piece, tensors.get(next++))) {
                    byPath.computeIfAbsent(binding.parameter(), path -> Parameter.builder()
                            .setName(path)
                            .setType(Parameter.Type.OTHER)
                            .optShape(new Shape(binding.size()))
                            .build());
                }
            }
        }
        return byPath;
    }

    private boolean isCopied(Piece piece, TensorSpec tensor) {
        return isSame(piece) && tensor.type() == sourceType(piece);
    }

    private static boolean isExpertOf(Set<Integer> layers, String parameter) {
        Matcher name = EXPERTS.matcher(parameter);
        return name.matches() && layers.contains(Integer.parseInt(name.group(1)));
    }

    /** Whether the original has this very tensor, not quantised. */
    private boolean isSame(Piece piece) {
        TensorInfo there = original.tensors().tensors().get(piece.tensor());
        return there != null
                && there.shape().equals(piece.shape())
                && Set.of(TensorType.F32, TensorType.BF16, TensorType.F16).contains(there.type());
    }

    private TensorType sourceType(Piece piece) {
        return Objects.requireNonNull(original.tensors().tensors().get(piece.tensor()))
                .type();
    }

    private void copy(SafetensorsWriter writer, TensorSpec tensor) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate((int) Math.min(CHUNK, tensor.bytes()));
        for (long done = 0; done < tensor.bytes(); done += buffer.limit()) {
            buffer.clear().limit((int) Math.min(buffer.capacity(), tensor.bytes() - done));
            original.tensors().read(tensor.name(), done, buffer);
            writer.writeRaw(tensor.name(), buffer.flip());
        }
    }

    private static void decode(
            SafetensorsWriter writer, NDManager manager, WeightSource source, Parameter parameter, Piece piece)
            throws IOException {
        long most = WeightSource.CHUNK_BYTES / Float.BYTES;
        for (long done = 0; done < piece.size(); done += most) {
            try (NDArray part =
                    source.read(manager, parameter, piece.firstElement() + done, Math.min(most, piece.size() - done))) {
                ArrayBytes.forEachChunk(
                        part, 0, part.size(), bytes -> writer.write(piece.tensor(), bytes.asFloatBuffer()));
            }
        }
    }
}
