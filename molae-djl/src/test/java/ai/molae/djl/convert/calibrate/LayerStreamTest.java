package ai.molae.djl.convert.calibrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.ParameterStore;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.Packing;
import ai.molae.djl.data.TokenDocuments;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.djl.lm.RmsNorm;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.QkNorm;
import ai.molae.spec.RopeSpec;
import ai.molae.spec.SlidingWindow;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Text on its way through a checkpoint one layer at a time. */
class LayerStreamTest {

    @TempDir
    private Path folder;

    /** Latent and grouped attention, norms of queries, biases, rotary variants, dense layers, shared experts, every router; bfloat16 in shards. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "mixtral-a",
                "qwen2_moe-a",
                "qwen3_moe-a",
                "olmoe-a",
                "deepseek_v2-a",
                "deepseek_v2-c",
                "deepseek_v3-a",
                "mixtral-a/bf16-sharded"
            })
    void layerByLayerIsTheModel(String name) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(TinyCheckpoints.golden(name))) {
            assertIsTheModel(checkpoint, TinyCheckpoints.windows(checkpoint.spec(), 5, 9, 1));
        }
    }

    /** Layers 0 and 2 see 3 tokens, layer 1 sees all. */
    @Test
    void windowsOfAttentionSlideInTheirLayers() throws IOException {
        ModelSpec spec = TinyCheckpoints.spec(TinyCheckpoints.MOE)
                .setAttention(new GroupedQueryAttentionSpec(
                        2,
                        2,
                        4,
                        RopeSpec.of(100),
                        false,
                        false,
                        QkNorm.NONE,
                        Double.POSITIVE_INFINITY,
                        Optional.of(new SlidingWindow(3, Set.of(0, 2)))))
                .build();
        try (Checkpoint checkpoint = Checkpoint.open(TinyCheckpoints.save(spec, folder, 2))) {
            assertIsTheModel(checkpoint, TinyCheckpoints.windows(spec, 3, 12, 3));
        }
    }

    private static void assertIsTheModel(Checkpoint checkpoint, List<int[]> windows) {
        int batchSize = 2;
        List<float[]> streamed = new ArrayList<>();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                LayerStream stream = LayerStream.open(checkpoint, windows, batchSize, Device.cpu())) {
            assertThat(stream.batches()).isEqualTo((windows.size() + 1) / 2);
            assertThat(stream.tokens()).isEqualTo((long) windows.size() * windows.get(0).length);
            through(checkpoint, stream);
            ModelSpec spec = checkpoint.spec();
            RmsNorm norm = new RmsNorm(spec.hiddenSize(), spec.rmsNormEps());
            Parameter weight = norm.getDirectParameters().get("weight");
            checkpoint.weights(Map.of("norm", weight)).fill(manager, weight);
            stream.forEachState(h -> {
                try (NDArray x = norm.forward(new ParameterStore(manager, false), new NDList(h), false)
                        .singletonOrThrow()) {
                    streamed.add(x.toFloatArray());
                }
            });
            CausalLm model = checkpoint.load(manager, Precision.FLOAT32);
            NDArray head = model.parametersByPath()
                    .get(spec.tieWordEmbeddings() ? "embed_tokens" : "lm_head")
                    .getArray();
            for (int i = 0; i < streamed.size(); i++) {
                List<int[]> batch = windows.subList(i * batchSize, Math.min(windows.size(), (i + 1) * batchSize));
                long[] tokens = batch.stream()
                        .flatMapToInt(Arrays::stream)
                        .mapToLong(token -> token)
                        .toArray();
                NDArray read = manager.create(tokens, new Shape(batch.size(), batch.get(0).length));
                float[] logits = model.forward(new ParameterStore(manager, false), new NDList(read), false)
                        .singletonOrThrow()
                        .toFloatArray();
                NDArray x = manager.create(streamed.get(i), new Shape(tokens.length, spec.hiddenSize()));
                float[] expected = x.matMul(head.transpose()).toFloatArray();
                assertThat(logits).containsExactly(expected, within(1e-5f));
            }
        }
    }

    private static void through(Checkpoint checkpoint, LayerStream stream) {
        for (int i = 0; i < checkpoint.spec().numLayers(); i++) {
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                DecoderLayer layer = checkpoint.loadLayer(i, manager, Precision.FLOAT32);
                // As parameters are that have been trained.
                layer.getParameters().forEach(p -> p.getValue().getArray().setRequiresGradient(true));
                stream.attend(layer);
                stream.complete(layer.feedForward());
            }
        }
    }

    @Test
    void inputsAreWhatTheFeedForwardPartReads() throws IOException {
        ModelSpec spec = TinyCheckpoints.spec(TinyCheckpoints.MOE).build();
        List<int[]> windows = TinyCheckpoints.windows(spec, 3, 4, 4);
        try (Checkpoint checkpoint = Checkpoint.open(TinyCheckpoints.save(spec, folder, 5));
                NDManager manager = NDManager.newBaseManager("PyTorch");
                LayerStream stream = LayerStream.open(checkpoint, windows, 2, Device.cpu())) {
            DecoderLayer layer = checkpoint.loadLayer(0, manager, Precision.FLOAT32);
            stream.attend(layer);
            List<NDArray> before = copies(stream, manager);
            List<NDArray> inputs = new ArrayList<>();
            stream.forEachInput(x -> inputs.add(copy(x, manager)));
            assertThat(inputs.get(0).getShape()).isEqualTo(new Shape(8, 8));
            assertThat(inputs.get(1).getShape()).isEqualTo(new Shape(4, 8));
            List<NDArray> again = new ArrayList<>();
            stream.forEachInput(x -> again.add(copy(x, manager)));
            assertThat(again).isEqualTo(inputs);
            stream.complete(layer.feedForward());
            List<NDArray> after = copies(stream, manager);
            for (int i = 0; i < 2; i++) {
                NDArray y = layer.feedForward()
                        .forward(new ParameterStore(manager, false), new NDList(inputs.get(i)), false)
                        .head();
                assertThat(after.get(i))
                        .isEqualTo(before.get(i).add(y.reshape(before.get(i).getShape())));
            }
        }
    }

    private static List<NDArray> copies(LayerStream stream, NDManager manager) {
        List<NDArray> copies = new ArrayList<>();
        stream.forEachState(h -> copies.add(copy(h, manager)));
        return copies;
    }

    private static NDArray copy(NDArray array, NDManager manager) {
        return manager.create(array.toFloatArray(), array.getShape());
    }

    /** Whatever a batch makes is freed, and no graph keeps it. */
    @Test
    void memoryDoesNotGrow() throws IOException {
        ModelSpec spec = TinyCheckpoints.spec(TinyCheckpoints.MOE).build();
        List<int[]> windows = TinyCheckpoints.windows(spec, 64, 16, 6);
        try (Checkpoint checkpoint = Checkpoint.open(TinyCheckpoints.save(spec, folder, 7));
                LayerStream stream = LayerStream.open(checkpoint, windows, 8, Device.cpu())) {
            through(checkpoint, stream);
            // As on a server's threads.
            boolean mode = JniUtils.isGradMode();
            JniUtils.setGradMode(true);
            // The compiler and others allocate too, now and then; what is kept grows every time.
            long least = Long.MAX_VALUE;
            for (int attempt = 0; attempt < 5; attempt++) {
                long before = inUse();
                for (int i = 0; i < 20; i++) {
                    through(checkpoint, stream);
                }
                least = Math.min(least, inUse() - before);
            }
            JniUtils.setGradMode(mode);
            // The states have 32 KB; one kept copy of them per round would be 20 times 3 layers as much.
            assertThat(least).isLessThan(400_000);
            stream.forEachState(h -> assertThat(h.hasGradient()).isFalse());
        }
    }

    private static long inUse() {
        return NativeMemory.inUse().orElse(0);
    }

    @Test
    void partsOutOfOrderAreRefused() throws IOException {
        ModelSpec spec = TinyCheckpoints.spec(TinyCheckpoints.MOE).build();
        List<int[]> windows = TinyCheckpoints.windows(spec, 2, 4, 8);
        try (Checkpoint checkpoint = Checkpoint.open(TinyCheckpoints.save(spec, folder, 9));
                NDManager manager = NDManager.newBaseManager("PyTorch");
                LayerStream stream = LayerStream.open(checkpoint, windows, 1, Device.cpu())) {
            DecoderLayer layer = checkpoint.loadLayer(0, manager, Precision.FLOAT32);
            assertThatIllegalStateException()
                    .isThrownBy(() -> stream.complete(layer.feedForward()))
                    .withMessage("no layer has attended; call attend(layer) first");
            assertThatIllegalStateException().isThrownBy(() -> stream.forEachInput(x -> {}));
            stream.attend(layer);
            assertThatIllegalStateException()
                    .isThrownBy(() -> stream.attend(layer))
                    .withMessageContaining("complete it first");
            RuntimeException stop = new RuntimeException("stop");
            stream.onBatch(() -> {
                throw stop;
            });
            assertThatThrownBy(() -> stream.complete(layer.feedForward())).isSameAs(stop);
            assertThatIllegalStateException()
                    .isThrownBy(() -> stream.forEachState(h -> {}))
                    .withMessageContaining("open a new stream");
        }
    }

    @Test
    void windowsThatTheModelCannotReadAreRefused() throws IOException {
        ModelSpec spec = TinyCheckpoints.spec(TinyCheckpoints.MOE).build();
        try (Checkpoint checkpoint = Checkpoint.open(TinyCheckpoints.save(spec, folder, 10))) {
            assertRefused(checkpoint, List.of(), "at least one window");
            assertRefused(checkpoint, List.of(new int[17]), "the windows have 17 tokens, the model reads from 1 to");
            assertRefused(checkpoint, List.of(new int[0]), "the windows have 0 tokens");
            assertRefused(checkpoint, List.of(new int[2], new int[3]), "number 1 has 3 tokens, number 0 has 2");
            assertRefused(checkpoint, List.of(new int[] {1, 23}), "window 0 has the token 23");
            assertRefused(checkpoint, List.of(new int[] {-1}), "window 0 has the token -1");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> LayerStream.open(checkpoint, List.of(new int[1]), 0, Device.cpu()))
                    .withMessageContaining("batchSize must be positive, got 0");
        }
    }

    private static void assertRefused(Checkpoint checkpoint, List<int[]> windows, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LayerStream.open(checkpoint, windows, 1, Device.cpu()))
                .withMessageContaining(message);
    }

    @Test
    void trainingDataGivesEachWindowOnce() {
        int[] stream = IntStream.range(0, 33).toArray();
        PackedWindows data = new PackedWindows(stream, 4, 1);
        List<int[]> some = CalibrationWindows.of(data, 14);
        assertThat(some).hasSize(3).allMatch(window -> window.length == 4 && window[3] == window[0] + 3);
        assertThat(CalibrationWindows.of(data, 1000).stream()
                        .mapToInt(window -> window[0])
                        .sorted())
                .containsExactly(0, 4, 8, 12, 16, 20, 24, 28);
        assertThat(CalibrationWindows.of(data, 1)).hasSize(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CalibrationWindows.of(data, 0))
                .withMessageContaining("got mostTokens = 0");
        PackedWindows masked = PackedWindows.builder()
                .setDocuments(TokenDocuments.ofStream(stream))
                .setSequenceLength(4)
                .optPacking(Packing.STREAM_INSIDE_DOCUMENTS)
                .build();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CalibrationWindows.of(masked, 8))
                .withMessageContaining("Packing.STREAM");
    }

    @Test
    void aLayerThatIsNotThereIsRefused() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(TinyCheckpoints.golden("mixtral-a"));
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThatThrownBy(() -> checkpoint.loadLayer(checkpoint.spec().numLayers(), manager, Precision.FLOAT32))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }
}
