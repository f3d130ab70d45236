package ai.molae.djl.hf;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.djl.safetensors.SafetensorsFolder;
import ai.molae.djl.safetensors.SafetensorsWriter;
import ai.molae.djl.safetensors.TensorSpec;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.ArrayBytes;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The tensors of a layer's routed experts.
 *
 * @param moe the layer
 * @param bindings what its parameters are made of, by their names in {@link MoeSpec#parameters()}, in the order of writing
 */
record LayerTensors(MoeSpec moe, Map<String, TensorBinding> bindings) {

    /** Those of a layer of a checkpoint that has become another one. */
    static LayerTensors of(Checkpoint original, int layer, MoeSpec moe) {
        String path = "layers." + layer + ".mlp.";
        ModelSpec spec = original.spec().mapLayers((i, feedForward) -> i == layer ? moe : feedForward);
        Map<String, TensorBinding> bindings = new LinkedHashMap<>();
        for (TensorBinding binding : original.config().family().bindings(spec)) {
            if (binding.parameter().startsWith(path)) {
                String name = binding.parameter().substring(path.length());
                if (LayerRows.PARAMETERS.contains(name)) {
                    bindings.put(name, binding);
                }
            }
        }
        return new LayerTensors(moe, bindings);
    }

    /** Writes all of them into one file. */
    void write(Path folder, TensorType type, LayerRows rows) throws IOException {
        List<TensorSpec> tensors = new ArrayList<>();
        bindings.values().forEach(binding -> binding.pieces()
                .forEach(piece -> tensors.add(new TensorSpec(piece.tensor(), type, piece.shape()))));
        try (SafetensorsWriter writer = SafetensorsWriter.create(folder, tensors, Map.of("format", "pt"), 0);
                NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            for (Map.Entry<String, TensorBinding> parameter : bindings.entrySet()) {
                write(writer, manager, parameter.getKey(), parameter.getValue(), rows);
            }
            writer.finish();
        }
    }

    /** Reads them as they were written. */
    CheckpointDraft.Layer read(Path folder) throws IOException {
        Map<Parameter, TensorBinding> bound = new HashMap<>();
        Map<String, Parameter> byName = new HashMap<>();
        bindings.forEach((name, binding) -> {
            Parameter parameter = Parameter.builder()
                    .setName(name)
                    .setType(Parameter.Type.OTHER)
                    .optShape(shape(name))
                    .build();
            byName.put(name, parameter);
            bound.put(parameter, binding);
        });
        SafetensorsFolder tensors = SafetensorsFolder.open(folder);
        return new CheckpointDraft.Layer(tensors, byName, new TensorSource(tensors, bound, progress -> {}));
    }

    private Shape shape(String parameter) {
        return moe.parameters().stream()
                .filter(shape -> shape.name().equals(parameter))
                .map(shape -> new Shape(
                        shape.shape().stream().mapToLong(Integer::longValue).toArray()))
                .findFirst()
                .orElseThrow();
    }

    private void write(SafetensorsWriter writer, NDManager manager, String name, TensorBinding binding, LayerRows rows)
            throws IOException {
        long count = shape(name).get(0);
        long rowSize = binding.size() / count;
        int next = 0;
        for (int index = 0; index < count; index++) {
            try (NDArray row = rows.row(manager, name, index)) {
                if (row.size() != rowSize) {
                    throw new IllegalStateException(binding.parameter() + "[" + index + "] should have " + rowSize
                            + " elements, got " + row.getShape());
                }
                // A row is one piece or several (gate and up), or many rows are one piece (stacked projections).
                long first = index * rowSize;
                long done = 0;
                while (done < rowSize) {
                    Piece piece = binding.pieces().get(next);
                    long left = piece.firstElement() + piece.size() - first - done;
                    long part = Math.min(left, rowSize - done);
                    ArrayBytes.forEachChunk(
                            row, done, part, bytes -> writer.write(piece.tensor(), bytes.asFloatBuffer()));
                    done += part;
                    if (part == left) {
                        next++;
                    }
                }
            }
        }
    }
}
