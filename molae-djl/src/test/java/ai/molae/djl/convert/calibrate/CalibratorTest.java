package ai.molae.djl.convert.calibrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Calibrations in their folders: complete, the same again, or refused. */
class CalibratorTest {

    private static final MoeSpec MOE = TinyCheckpoints.MOE;
    private static final ModelSpec MODEL = TinyCheckpoints.spec(MOE).build();
    private static final List<int[]> WINDOWS = TinyCheckpoints.windows(MODEL, 5, 6, 11);

    @TempDir
    private Path folder;

    private Path source;
    private Path target;

    @BeforeEach
    void saveCheckpoint() throws IOException {
        source = TinyCheckpoints.save(MODEL, folder.resolve("model"), 12);
        target = folder.resolve("calibration");
    }

    private Calibrator.Builder calibrator(Checkpoint checkpoint) {
        return Calibrator.builder()
                .setCheckpoint(checkpoint)
                .setWindows(WINDOWS)
                .setTarget(target)
                .optBatchSize(2);
    }

    private Calibration calibrated(MomentSettings settings) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            return calibrator(checkpoint).optSettings(settings).build().calibrate();
        }
    }

    @ParameterizedTest
    @CsvSource({"false, NONE", "true, DIAGONAL", "false, FULL"})
    void whatIsReadIsWhatWasCountedBitByBit(boolean expertInputs, InnerMoments inner) throws IOException {
        MomentSettings settings = new MomentSettings(expertInputs, inner);
        Calibration calibration = calibrated(settings);

        assertThat(files(folder)).containsExactlyInAnyOrder("model", "calibration");
        assertThat(files(target))
                .containsExactlyInAnyOrder("calibration.json", "layer-00000.safetensors", "layer-00002.safetensors");
        assertThat(calibration.tokens()).isEqualTo(30);
        assertThat(calibration.windowLength()).isEqualTo(6);
        assertThat(calibration.numLayers()).isEqualTo(3);
        assertThat(calibration.settings()).isEqualTo(settings);
        assertThat(calibration.layers()).containsExactly(0, 2);
        try (Checkpoint checkpoint = Checkpoint.open(source);
                LayerStream stream = LayerStream.open(checkpoint, WINDOWS, 2, Device.cpu())) {
            calibration.checkSource(checkpoint);
            for (int i = 0; i < 3; i++) {
                try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                    DecoderLayer layer = checkpoint.loadLayer(i, manager, Precision.FLOAT32);
                    stream.attend(layer);
                    if (layer.feedForward() instanceof MoeBlock block) {
                        try (MomentAccumulator moments = new MomentAccumulator(block, settings)) {
                            stream.forEachInput(moments::add);
                            assertSame(calibration.layer(i), moments);
                        }
                    }
                    stream.complete(layer.feedForward());
                }
            }
        }
    }

    private static void assertSame(LayerMoments stored, LayerMoments counted) {
        assertThat(stored.spec()).isEqualTo(counted.spec());
        assertThat(stored.statistics()).usingRecursiveComparison().isEqualTo(counted.statistics());
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThat(stored.input(manager)).isEqualTo(counted.input(manager));
            for (int e = 0; e < counted.spec().numExperts(); e++) {
                assertSame(stored.input(manager, e), counted.input(manager, e));
                for (ExpertOperator operator : ExpertOperator.values()) {
                    assertSame(stored.inner(manager, operator, e), counted.inner(manager, operator, e));
                }
            }
        }
    }

    private static void assertSame(Optional<NDArray> stored, Optional<NDArray> counted) {
        assertThat(stored.isPresent()).isEqualTo(counted.isPresent());
        if (counted.isPresent()) {
            assertThat(stored.get().getShape()).isEqualTo(counted.get().getShape());
            assertThat(stored.get().toDoubleArray())
                    .containsExactly(counted.get().toDoubleArray());
        }
    }

    @Test
    void anotherCheckpointIsRefused() throws IOException {
        Calibration calibration = calibrated(MomentSettings.LEAST);
        Path other = TinyCheckpoints.save(
                TinyCheckpoints.spec(MOE).optRmsNormEps(1e-3).build(), folder.resolve("other"), 12);
        assertRefused(calibration, other, "config.json has other contents");
        Path wider =
                TinyCheckpoints.save(TinyCheckpoints.spec(MOE).setVocabSize(24).build(), folder.resolve("wider"), 12);
        assertRefused(calibration, wider, "config.json has other contents, model.safetensors has ");
        Path trained = TinyCheckpoints.save(TinyCheckpoints.spec(MOE).build(), folder.resolve("trained"), 13);
        assertRefused(calibration, trained, "model.safetensors has other contents");
        // The same files elsewhere are the same checkpoint.
        try (Checkpoint moved = Checkpoint.open(Files.move(source, folder.resolve("moved")))) {
            calibration.checkSource(moved);
            assertThat(SourceFingerprint.of(moved).hash())
                    .isEqualTo(calibration.fingerprint().hash());
        }
    }

    private static void assertRefused(Calibration calibration, Path other, String message) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(other)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> calibration.checkSource(checkpoint))
                    .withMessageContaining("is no calibration of " + other)
                    .withMessageContaining(message);
        }
    }

    @Test
    void shardsThatComeAndGoAreNamed() {
        SourceFingerprint before = new SourceFingerprint("a", new TreeMap<>(Map.of("one", 1L)), new TreeMap<>());
        SourceFingerprint after = new SourceFingerprint("a", new TreeMap<>(Map.of("two", 1L)), new TreeMap<>());
        assertThat(before.differences(after)).containsExactly("one is missing", "two is new");
        assertThat(before.hash()).isNotEqualTo(after.hash());
    }

    @Test
    void damagedFilesAreRefused() throws IOException {
        Calibration calibration = calibrated(MomentSettings.LEAST);
        Path file = target.resolve("layer-00002.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 3] ^= 1;
        Files.write(file, bytes);
        assertThatIOException()
                .isThrownBy(() -> calibration.layer(2))
                .withMessageContaining(file + " has other contents than were written");
        Files.write(file, Arrays.copyOf(bytes, bytes.length - 8));
        assertThatIOException()
                .isThrownBy(() -> calibration.summary(2))
                .withMessageContaining("has " + (bytes.length - 8) + " bytes, it had " + bytes.length);
        Files.delete(file);
        assertThatIOException()
                .isThrownBy(() -> calibration.layer(2))
                .withMessageContaining(file + " is missing; calibrate anew");
        assertThat(calibration.layer(0).statistics().tokens()).isEqualTo(30);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> calibration.layer(1))
                .withMessageContaining("layer 1 is no MoE layer")
                .withMessageContaining("those are [0, 2]");
    }

    @ParameterizedTest
    @CsvSource({
        "'\"format\": 1', '\"format\": 2', 'format = 2, this version reads format 1'",
        "'\"tokens\"', '\"token\"', there is no tokens",
        "'\"tokens\": 30', '\"tokens\": 3.5', Rounding necessary",
        "'\"NONE\"', '\"SOME\"', InnerMoments.SOME",
        "'\"layer\": 0', '\"layer\": {}', is damaged",
        "'{', '[', is damaged",
    })
    void aDamagedIndexIsRefused(String what, String with, String message) throws IOException {
        calibrated(MomentSettings.LEAST);
        Path index = target.resolve("calibration.json");
        Files.writeString(index, Files.readString(index).replace(what, with));
        assertThatIOException()
                .isThrownBy(() -> Calibration.open(target))
                .withMessageContaining(index + " is damaged")
                .withMessageContaining(message);
        Files.delete(index);
        assertThatIOException()
                .isThrownBy(() -> Calibration.open(target))
                .withMessageContaining(target + " is no calibration: it has no calibration.json");
    }

    @ParameterizedTest
    @CsvSource({"0", "4", "13"})
    void stoppedItLeavesNothing(long after) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            AtomicReference<Calibrator> running = new AtomicReference<>();
            Calibrator calibrator = calibrator(checkpoint)
                    .optProgress(progress -> {
                        if (progress.done() == after) {
                            running.get().stop();
                        }
                    })
                    .build();
            running.set(calibrator);
            assertThatThrownBy(calibrator::calibrate)
                    .isInstanceOf(CancellationException.class)
                    .hasMessageContaining(target + " was stopped");
        }
        assertThat(files(folder)).containsExactly("model");
        assertThat(calibrated(MomentSettings.LEAST).tokens()).isEqualTo(30);
    }

    @Test
    void progressEndsWithAllBatches() throws IOException {
        List<Calibrator.Progress> told = new ArrayList<>();
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            calibrator(checkpoint).optProgress(told::add).build().calibrate();
        }
        // 3 batches; attention, moments and feed-forward part, attention and feed-forward part, attention and moments
        assertThat(told).hasSize(3 * 7 + 1);
        for (int i = 0; i < told.size(); i++) {
            assertThat(told.get(i)).isEqualTo(new Calibrator.Progress(i < 9 ? 0 : i < 15 ? 1 : 2, i, 21));
        }
    }

    @Test
    void whatIsThereIsLeftAlone() throws IOException {
        Files.createDirectory(target);
        assertThatThrownBy(() -> calibrated(MomentSettings.LEAST))
                .isInstanceOf(FileAlreadyExistsException.class)
                .hasMessageContaining(target + ": there is something already");
        assertThat(files(folder)).containsExactlyInAnyOrder("model", "calibration");
    }

    @Test
    void whatAKilledProcessLeftIsRemoved() throws IOException {
        Path left = Files.createDirectories(folder.resolve("calibration.part/layer-00000.safetensors.part"));
        Files.writeString(left.resolve("model.safetensors.part"), "x");
        calibrated(MomentSettings.LEAST);
        assertThat(files(folder)).containsExactlyInAnyOrder("model", "calibration");
        assertThat(files(target)).hasSize(3);
    }

    @Test
    void moreThanTheDiskHasIsRefusedBeforeItBegins() {
        assertThatIOException()
                .isThrownBy(() -> WholeFolder.begin(target.toAbsolutePath(), Long.MAX_VALUE))
                .withMessageContaining("it will have " + Long.MAX_VALUE + "; make room");
        assertThat(target.resolveSibling("calibration.part")).doesNotExist();
    }

    @Test
    void countsDoNotDependOnTheNumberOfThreads() throws IOException {
        int threads = JniUtils.getNumThreads();
        List<ExpertStatistics> statistics = new ArrayList<>();
        try {
            for (int count : new int[] {1, 4}) {
                JniUtils.setNumThreads(count);
                Calibration calibration = calibrated(MomentSettings.LEAST);
                statistics.add(calibration.layer(0).statistics());
                statistics.add(calibration.layer(2).statistics());
                Files.move(target, folder.resolve("with " + count));
            }
        } finally {
            JniUtils.setNumThreads(threads);
        }
        for (int i = 0; i < 2; i++) {
            assertThat(statistics.get(i).counts())
                    .isEqualTo(statistics.get(i + 2).counts());
            assertThat(statistics.get(i).coActivation())
                    .isDeepEqualTo(statistics.get(i + 2).coActivation());
        }
    }

    @Test
    void aSummaryTellsHowMuchThereWas() throws IOException {
        Calibration calibration = calibrated(MomentSettings.LEAST);
        LayerSummary summary = calibration.summary(2);
        long[] counts = calibration.layer(2).statistics().counts();
        assertThat(Arrays.stream(counts).sum()).isEqualTo(60);
        long[] sorted = Arrays.stream(counts).sorted().toArray();
        assertThat(summary.layer()).isEqualTo(2);
        assertThat(summary.tokens()).isEqualTo(30);
        assertThat(summary.leastCount()).isEqualTo(sorted[0]);
        assertThat(summary.medianCount()).isEqualTo((sorted[1] + sorted[2]) / 2.0);
        assertThat(summary.greatestCount()).isEqualTo(sorted[3]);
        assertThat(summary.unvisited())
                .hasSize((int) Arrays.stream(counts).filter(c -> c == 0).count());
    }

    /** Moments with C = diag(1, 100) of two tokens, then of one. */
    @Test
    void conditionAndEntropyAreThoseOfTheNumbers() {
        MoeSpec spec = MoeSpec.builder()
                .setHiddenSize(2)
                .setIntermediateSize(1)
                .setNumExperts(3)
                .setTopK(1)
                .build();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            MomentCase layer = MomentCase.draw(spec, 2, new SplittableRandom(1));
            Arrays.fill(layer.parameters().get("router"), 0);
            layer.parameters().get("router")[2] = 1;
            layer.xTn()[0] = new double[] {-1, 0};
            layer.xTn()[1] = new double[] {0, 10};
            try (MomentAccumulator moments = new MomentAccumulator(layer.block(manager), MomentSettings.LEAST)) {
                moments.add(layer.x(manager, 0, 1));
                LayerSummary one = LayerSummary.of(7, moments);
                assertThat(one.conditionNumber()).isInfinite();
                assertThat(one.loadEntropy()).isZero();
                assertThat(one.unvisited()).containsExactly(1, 2);
                layer.xTn()[1][0] = 0;
                moments.add(layer.x(manager, 1, 2));
                LayerSummary two = LayerSummary.of(7, moments);
                assertThat(two.conditionNumber()).isCloseTo(100, within(1e-9));
                layer.xTn()[0][0] = 1;
                moments.add(layer.x(manager, 0, 1));
                // 2 tokens for expert 0, 1 for expert 1
                assertThat(LayerSummary.of(7, moments).loadEntropy())
                        .isCloseTo(Math.log(3) - Math.log(2) * 2 / 3, within(1e-12));
            }
        }
    }

    @Test
    void modelsThatCannotBeCalibratedAreRefused() throws IOException {
        LatentSpec latent =
                LatentSpec.builder().setLatentSize(2).setGroupSize(2).build();
        Path molae = TinyCheckpoints.save(
                TinyCheckpoints.spec(MOE.withLatent(latent)).build(), folder.resolve("molae"), 1);
        Path dense = TinyCheckpoints.save(
                ModelSpec.builder()
                        .setVocabSize(23)
                        .setAttention(MODEL.attention())
                        .addLayers(1, DenseSpec.swiglu(8, 4))
                        .optMaxPositionEmbeddings(16)
                        .build(),
                folder.resolve("dense"),
                1);
        assertUnbuilt(molae, "has factored experts already");
        assertUnbuilt(dense, "has no MoE layer");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Calibrator.builder().build())
                .withMessage("setCheckpoint is missing");
    }

    private void assertUnbuilt(Path model, String message) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(model)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> calibrator(checkpoint).build())
                    .withMessageContaining(message);
        }
    }

    private static List<String> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    @Test
    void aFileOfALayerOutsideOfTheFolderIsRefused() throws IOException {
        calibrated(new MomentSettings(false, InnerMoments.NONE));
        Path index = target.resolve("calibration.json");
        String text = Files.readString(index);
        assertThat(text).contains("\"layer-00000.safetensors\"");
        Files.writeString(index, text.replace("\"layer-00000.safetensors\"", "\"../layer-00000.safetensors\""));
        assertThatThrownBy(() -> Calibration.open(target))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("layer 0 is said to be in ../layer-00000.safetensors");
    }
}
