package ai.molae.bench.model;

import ai.molae.djl.hf.CheckpointConfig;
import ai.molae.djl.hf.TensorBinding;
import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.djl.safetensors.SafetensorsWriter;
import ai.molae.djl.safetensors.TensorSpec;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.spec.ModelSpec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Writes checkpoints of any size with random weights, tensor by tensor, in the layout of the family that can express the model: as large as a
 * real one, and without meaning. Norms are one; other weights are uniform with the standard deviation of a freshly initialised model.
 */
public final class SyntheticCheckpoint {

    private static final int CHUNK = 1 << 20;
    private static final long SHARD_BYTES = 2_000_000_000L;

    private SyntheticCheckpoint() {}

    /**
     * Writes a checkpoint.
     *
     * @param spec the model
     * @param folder where
     * @return the number of parameters
     * @throws IOException if writing fails
     */
    public static long write(ModelSpec spec, Path folder) throws IOException {
        CheckpointConfig config = CheckpointConfig.of(spec, "bfloat16");
        List<TensorSpec> tensors = new ArrayList<>();
        for (TensorBinding binding : config.family().bindings(spec)) {
            for (Piece piece : binding.pieces()) {
                tensors.add(new TensorSpec(piece.tensor(), TensorType.BF16, piece.shape()));
            }
        }
        SplittableRandom random = new SplittableRandom(1);
        FloatBuffer chunk = ByteBuffer.allocateDirect(CHUNK * Float.BYTES)
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer();
        long parameters = 0;
        try (SafetensorsWriter writer =
                SafetensorsWriter.create(folder, tensors, Map.of("format", "pt"), SHARD_BYTES)) {
            for (TensorSpec tensor : tensors) {
                for (long done = 0; done < tensor.elements(); done += CHUNK) {
                    chunk.clear().limit((int) Math.min(CHUNK, tensor.elements() - done));
                    fill(chunk, tensor.shape().size() == 1, spec.initializerRange(), random);
                    writer.write(tensor.name(), chunk.flip());
                }
                parameters += tensor.elements();
            }
            writer.finish();
        }
        Files.writeString(folder.resolve(CheckpointConfig.FILE), config.toJson());
        return parameters;
    }

    private static void fill(FloatBuffer chunk, boolean norm, double standardDeviation, SplittableRandom random) {
        float scale = (float) (standardDeviation * Math.sqrt(12) / (1L << 32));
        while (chunk.hasRemaining()) {
            chunk.put(norm ? 1 : random.nextInt() * scale);
        }
    }
}
