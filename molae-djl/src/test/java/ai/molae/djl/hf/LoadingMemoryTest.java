package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDManager;
import ai.molae.cost.CostModel;
import ai.molae.djl.hf.TensorBinding.Piece;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.safetensors.SafetensorsWriter;
import ai.molae.djl.safetensors.TensorSpec;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A model of 100 MB in float32 never stands in memory twice while it is loaded, and not at all after a failure. */
class LoadingMemoryTest {

    private static final long MB = 1 << 20;
    /** What the JVM, libtorch's compiler and the other threads may allocate meanwhile. */
    private static final long NOISE = 24 * MB;

    private static final ModelSpec SPEC = ModelSpec.builder()
            .setVocabSize(18_000)
            .setAttention(GroupedQueryAttentionSpec.of(8, 8, 64))
            .addLayers(
                    2,
                    MoeSpec.builder()
                            .setHiddenSize(512)
                            .setIntermediateSize(512)
                            .setNumExperts(4)
                            .setTopK(2)
                            .build())
            .build();
    private static final long PARAMETERS = CostModel.model(SPEC).parameters();

    @TempDir
    private static Path folder;

    /** A model of random weights, with one of a value at the very end of the last expert. */
    private static void write(Path folder, float last) throws IOException {
        CheckpointConfig config = CheckpointConfig.of(SPEC, "bfloat16");
        List<Piece> pieces = config.family().bindings(SPEC).stream()
                .flatMap(binding -> binding.pieces().stream())
                .toList();
        List<TensorSpec> tensors = pieces.stream()
                .map(piece -> new TensorSpec(piece.tensor(), TensorType.BF16, piece.shape()))
                .toList();
        SplittableRandom random = new SplittableRandom(1);
        try (SafetensorsWriter writer = SafetensorsWriter.create(folder, tensors, Map.of(), 0)) {
            for (TensorSpec tensor : tensors) {
                ByteBuffer bytes = ByteBuffer.allocate((int) tensor.bytes()).order(ByteOrder.LITTLE_ENDIAN);
                while (bytes.hasRemaining()) {
                    // between 2^-7 and 2^-6, either sign
                    bytes.putShort((short) (0x3c00 | random.nextInt(0x80) | random.nextInt(2) << 15));
                }
                if (tensor.name().equals("model.layers.1.mlp.experts.3.down_proj.weight")) {
                    bytes.putShort(bytes.limit() - 2, (short) (Float.floatToRawIntBits(last) >>> 16));
                }
                writer.writeRaw(tensor.name(), bytes.flip());
            }
            writer.finish();
        }
        Files.writeString(folder.resolve(CheckpointConfig.FILE), config.toJson());
    }

    @BeforeAll
    static void write() throws IOException {
        assumeTrue(NativeMemory.inUse().isPresent(), "no mallinfo2 here");
        write(folder.resolve("finite"), 0);
        write(folder.resolve("nan"), Float.NaN);
        // Once for what is made once per process, and for the JVM to compile the loops; it does that in native memory
        // too.
        try (NDManager manager = NDManager.newBaseManager()) {
            for (Precision precision : Precision.values()) {
                Loading.loadForInference(manager, folder.resolve("finite"), precision);
            }
        }
        System.gc(); // buffers of the warm-up
        assertThat(PARAMETERS * Float.BYTES).isBetween(80 * MB, 120 * MB);
    }

    private static long bytes(Precision precision) {
        return switch (precision) {
            case FLOAT32 -> 4;
            case BFLOAT16, FLOAT16 -> 2;
            case INT8 -> 1;
        };
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void thePeakIsTheModelInItsPrecisionAChunkAndAMatrix(Precision precision) throws IOException {
        long model = bytes(precision) * PARAMETERS;
        long largest = 18_000 * 512 * Float.BYTES;
        try (NDManager manager = NDManager.newBaseManager();
                NativeMemory.Peak peak = NativeMemory.watchPeak()) {
            CausalLm loaded = Loading.loadForInference(manager, folder.resolve("finite"), precision);
            long start = peak.startBytes().orElseThrow();
            assertThat(peak.bytes().orElseThrow() - start)
                    .isLessThan(model + WeightSource.CHUNK_BYTES + largest + NOISE);
            assertThat(loaded.preparedPrecision()).contains(precision);
        }
    }

    @Test
    void aLoadThatFailsAtTheLastExpertLeavesNothingBehind() throws IOException {
        long before = NativeMemory.inUse().orElseThrow();
        try (NDManager manager = NDManager.newBaseManager()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Loading.loadForInference(manager, folder.resolve("nan"), Precision.FLOAT16))
                    .withMessageContaining("parameter down has a value of magnitude NaN");
        }
        // what was read through is Java's to free; the half model would be more
        assertThat(NativeMemory.inUse().orElseThrow() - before).isLessThan(WeightSource.CHUNK_BYTES + NOISE);
        assertThat(bytes(Precision.FLOAT16) * PARAMETERS).isGreaterThan(WeightSource.CHUNK_BYTES + NOISE);
    }
}
