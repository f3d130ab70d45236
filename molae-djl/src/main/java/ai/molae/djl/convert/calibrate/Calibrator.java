package ai.molae.djl.convert.calibrate;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.calibrate.CalibrationIndex.Entry;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.Telemetry;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Streams text through a checkpoint, one layer in memory at a time, and writes what it shows of the experts:
 *
 * <pre>{@code
 * Calibration calibration = Calibrator.builder()
 *         .setCheckpoint(checkpoint)
 *         .setWindows(CalibrationWindows.of(data, 262_144))
 *         .setTarget(Path.of("calibration"))
 *         .optSettings(method.moments())
 *         .build()
 *         .calibrate();
 * }</pre>
 *
 * <p>The folder is written beside its place and renamed, so that a folder with that name is complete. Memory is that of one layer, its
 * moments ({@link MomentSettings#bytes}) and 4 n bytes for each token; the folder takes the moments of all layers. For one call of {@link #calibrate}; one process at a time
 * may write to a place.
 */
public final class Calibrator {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    /**
     * How far it has come.
     *
     * @param layer the layer it is at, from 0
     * @param done batches that have gone through a part of a layer: its attention, the moments, its feed-forward part
     * @param total how many there will be over all layers
     */
    public record Progress(int layer, long done, long total) {}

    private final Checkpoint checkpoint;
    private final List<int[]> windows;
    private final Path target;
    private final MomentSettings settings;
    private final Precision precision;
    private final int batchSize;
    private final Device device;
    private final Consumer<Progress> listener;
    private volatile boolean stopped;

    private Calibrator(Builder builder) {
        checkpoint = required("setCheckpoint", builder.checkpoint);
        windows = List.copyOf(required("setWindows or setData", builder.windows));
        target = required("setTarget", builder.target).toAbsolutePath();
        settings = builder.settings;
        precision = builder.precision.checkTrainable();
        batchSize = builder.batchSize;
        device = builder.device;
        listener = builder.listener;
        CalibrationWindows.check(windows, checkpoint.spec());
        if (batchSize < 1) {
            throw new IllegalArgumentException("batchSize must be positive, got " + batchSize);
        }
        List<MoeSpec> layers = moeLayers();
        if (layers.isEmpty()) {
            throw new IllegalArgumentException(
                    checkpoint.folder() + " has no MoE layer; there is nothing to calibrate");
        }
        if (layers.stream().anyMatch(moe -> moe.latent().isPresent())) {
            throw new IllegalArgumentException(
                    checkpoint.folder() + " has factored experts already; calibrate the checkpoint it was made of");
        }
    }

    private static <T> T required(String setter, @Nullable T value) {
        if (value == null) {
            throw new IllegalArgumentException(setter + " is missing");
        }
        return value;
    }

    private List<MoeSpec> moeLayers() {
        return checkpoint.spec().feedForwards().stream()
                .filter(MoeSpec.class::isInstance)
                .map(MoeSpec.class::cast)
                .toList();
    }

    /**
     * A builder.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Calibrates.
     *
     * @return what it has written
     * @throws CancellationException if {@link #stop} was called; nothing is left behind
     * @throws IOException if reading or writing fails, or there is something in the target's place; nothing is left behind
     */
    public Calibration calibrate() throws IOException {
        try (WholeFolder folder = WholeFolder.begin(target, bytes())) {
            SortedMap<Integer, Entry> layers = new TreeMap<>();
            try (LayerStream stream = LayerStream.open(checkpoint, windows, batchSize, device)) {
                int last = checkpoint.spec().numLayers() - 1;
                Steps steps = new Steps(total(stream.batches()));
                stream.onBatch(steps);
                for (int i = 0; i <= last; i++) {
                    steps.layer = i;
                    try (NDManager manager = NDManager.newBaseManager(device, "PyTorch")) {
                        checkStopped();
                        DecoderLayer layer = checkpoint.loadLayer(i, manager, precision);
                        stream.attend(layer);
                        if (layer.feedForward() instanceof MoeBlock moe) {
                            layers.put(i, collect(folder.part(), i, moe, stream));
                        }
                        if (i < last) {
                            stream.complete(layer.feedForward());
                        }
                    }
                }
                steps.tell();
                CalibrationIndex index = new CalibrationIndex(
                        stream.tokens(),
                        stream.sequenceLength(),
                        settings,
                        last + 1,
                        SourceFingerprint.of(checkpoint),
                        layers);
                Files.writeString(folder.part().resolve(CalibrationIndex.FILE), index.toJson());
            }
            folder.finish();
        } catch (UncheckedIOException e) {
            throw new IOException("cannot calibrate into " + target + ": " + e.getMessage(), e);
        }
        return Calibration.open(target);
    }

    private Entry collect(Path folder, int index, MoeBlock block, LayerStream stream) throws IOException {
        try (MomentAccumulator moments = new MomentAccumulator(block, settings)) {
            stream.forEachInput(moments::add);
            checkStopped();
            return LayerFile.write(folder, index, settings, moments);
        }
    }

    private long bytes() {
        return moeLayers().stream().mapToLong(settings::bytes).sum();
    }

    /** A MoE layer has three parts, a dense one two; the last feed-forward part is left out, because nobody reads what it makes. */
    private long total(long batches) {
        List<FeedForwardSpec> all = checkpoint.spec().feedForwards();
        return batches * (2L * all.size() + moeLayers().size() - 1);
    }

    private void checkStopped() {
        if (stopped) {
            throw new CancellationException("the calibration into " + target + " was stopped; nothing is left of it");
        }
    }

    /** Asks a running calibration to stop after the batch it is at, from any thread; {@link #calibrate} then throws. */
    public void stop() {
        stopped = true;
    }

    /** Counts batches. */
    private final class Steps implements Runnable {
        private final long total;
        private long begun;
        private int layer;

        Steps(long total) {
            this.total = total;
        }

        @Override
        public void run() {
            checkStopped();
            tell();
            begun++;
        }

        void tell() {
            listener.accept(new Progress(layer, begun, total));
        }
    }

    /** Builds a {@link Calibrator}. */
    public static final class Builder {
        private @Nullable Checkpoint checkpoint;
        private @Nullable List<int[]> windows;
        private @Nullable Path target;
        private MomentSettings settings = MomentSettings.LEAST;
        private Precision precision = Precision.FLOAT32;
        private int batchSize = 8;
        private Device device = Device.cpu();
        private Consumer<Progress> listener = progress -> {};

        private Builder() {}

        /**
         * Sets the model.
         *
         * @param checkpoint with standard MoE layers; stays open until the calibration is done
         * @return this builder
         */
        public Builder setCheckpoint(Checkpoint checkpoint) {
            this.checkpoint = checkpoint;
            return this;
        }

        /**
         * Sets the text.
         *
         * @param windows tokens of the model's vocabulary, at least one window, all of one length
         * @return this builder
         */
        public Builder setWindows(List<int[]> windows) {
            this.windows = windows;
            return this;
        }

        /**
         * Sets the text to the first windows of training data in its order of training, see {@link CalibrationWindows#of}.
         *
         * @param data the data
         * @param mostTokens how many tokens at most
         * @return this builder
         * @throws IllegalArgumentException if {@code mostTokens} is not positive, or the data has a mask
         */
        public Builder setData(TrainingData data, long mostTokens) {
            return setWindows(CalibrationWindows.of(data, mostTokens));
        }

        /**
         * Sets where the calibration will be.
         *
         * @param target a folder that does not exist yet
         * @return this builder
         */
        public Builder setTarget(Path target) {
            this.target = target;
            return this;
        }

        /**
         * Sets which moments to collect.
         *
         * @param settings by default {@link MomentSettings#LEAST}
         * @return this builder
         */
        public Builder optSettings(MomentSettings settings) {
            this.settings = settings;
            return this;
        }

        /**
         * Sets the arithmetic in which text goes through the layers. Moments are computed in float32 of what a layer then reads.
         *
         * @param precision float32 by default, or bfloat16
         * @return this builder
         */
        public Builder optPrecision(Precision precision) {
            this.precision = precision;
            return this;
        }

        /**
         * Sets how many windows go through a layer together.
         *
         * @param batchSize 8 by default
         * @return this builder
         */
        public Builder optBatchSize(int batchSize) {
            this.batchSize = batchSize;
            return this;
        }

        /**
         * Sets where to compute.
         *
         * @param device the CPU by default
         * @return this builder
         */
        public Builder optDevice(Device device) {
            this.device = device;
            return this;
        }

        /**
         * Tells how far it has come, before every batch and at the end, on the working thread.
         *
         * @param listener is told
         * @return this builder
         */
        public Builder optProgress(Consumer<Progress> listener) {
            this.listener = listener;
            return this;
        }

        /**
         * Builds the calibrator.
         *
         * @return the calibrator
         * @throws IllegalArgumentException if something is missing or out of range, the model has no MoE layer or factored ones, or the
         *     windows are not such that it can read them
         */
        public Calibrator build() {
            return new Calibrator(this);
        }
    }
}
