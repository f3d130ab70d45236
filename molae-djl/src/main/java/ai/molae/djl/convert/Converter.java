package ai.molae.djl.convert;

import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.SourceFingerprint;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.Telemetry;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Converts the checkpoint of a standard MoE into one of a MoLAE (Liu et al., arXiv 2503.23100), layer by layer, so that the model never stands in memory:
 *
 * <pre>{@code
 * ConversionReport report = Converter.builder()
 *         .setSource(moe)
 *         .setTarget(molae)
 *         .setMethod(ConversionMethod.dataFree(0.7))
 *         .build()
 *         .convert();
 * }</pre>
 *
 * <p>Memory: what {@link Builder#optMemoryLimit} allows for factorisations, the projections of a layer in float32, and one expert; with text, two layers more. An
 * interrupted conversion, killed or out of disk space, is gone on with by the next one of the same settings; the target appears when it is complete.
 *
 * <p>For one thread, but {@link #stop} is for any.
 */
public final class Converter {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    /**
     * How far a conversion has come.
     *
     * @param stage what is being done: "spectra", "layers" or "copying"
     * @param done units done
     * @param total units of this stage: matrices, or bytes when copying
     */
    public record Progress(String stage, long done, long total) {}

    private final Path source;
    private final Optional<Path> target;
    private final ConversionMethod method;
    private final Optional<Calibration> calibration;
    private final List<int[]> windows;
    private final long memoryLimit;
    private final int threads;
    private final Optional<TensorType> type;
    private final boolean multipliedOut;
    private final Consumer<Progress> listener;
    private final Function<ConversionReport, Map<String, String>> files;
    private volatile boolean stopped;

    private Converter(Builder builder) {
        source = builder.source.orElseThrow(() -> missing("source", "setSource"));
        target = builder.target;
        method = builder.method.orElseThrow(() -> missing("method", "setMethod"));
        calibration = builder.calibration;
        windows = builder.windows;
        memoryLimit = builder.memoryLimit.orElseGet(Converter::halfOfMemory);
        threads = builder.threads;
        type = builder.type;
        multipliedOut = builder.multipliedOut;
        listener = builder.listener;
        files = builder.files;
        if (method.needsCalibration() && calibration.isEmpty()) {
            throw new IllegalArgumentException("the method needs a calibration: weighting " + method.weighting()
                    + ", groups " + method.groups().kind() + ", " + method.alternatingSweeps()
                    + " alternating sweeps; calibrate first, or choose a method that needs no text");
        }
        if (method.alternatingSweeps() > 0
                && method.weighting() != Weighting.ACTIVATIONS
                && method.weighting() != Weighting.SENSITIVITY) {
            throw new IllegalArgumentException("alternating sweeps weigh by what each expert reads, got weighting "
                    + method.weighting() + "; choose ACTIVATIONS or SENSITIVITY, or no sweeps");
        }
        if (method.alternatingSweeps() > 0
                && !calibration.orElseThrow().settings().expertInputs()) {
            throw new IllegalArgumentException(
                    "alternating sweeps need moments of the inputs of each expert, which the calibration "
                            + calibration.get().folder() + " has not; calibrate with them, or choose no sweeps");
        }
        if (method.distillation().isPresent() && windows.isEmpty()) {
            throw new IllegalArgumentException("the method distils layers; use optText to say on which text");
        }
    }

    private static IllegalArgumentException missing(String what, String setter) {
        return new IllegalArgumentException("a Converter needs a " + what + "; use " + setter);
    }

    /** What factorisations may take unless the user says otherwise. */
    static long halfOfMemory() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getTotalMemorySize() / 2
                : 8L << 30;
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
     * Converts, or goes on with a conversion of the same settings that was interrupted.
     *
     * @return what it did
     * @throws IllegalArgumentException if the model has no MoE layer or is factored already, a latent size exceeds the rank of the matrices, weights
     *     are not finite, the calibration is of another checkpoint, memory is too small, or an unfinished conversion of other settings is in the way
     * @throws CancellationException if it was stopped; what is finished stays for the next call
     * @throws IOException if reading or writing fails; what is finished stays for the next call
     */
    public ConversionReport convert() throws IOException {
        Path folder = target.orElseThrow(() -> missing("target", "setTarget"));
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            Map<Integer, MoeSpec> layers = check(checkpoint);
            TensorType written = type.orElseGet(checkpoint::prevailingType);
            try (CheckpointDraft draft =
                            CheckpointDraft.open(folder, checkpoint, written, settings(checkpoint, written));
                    Workers workers = Workers.of(threads, memoryLimit, layers.values())) {
                LayerMetrics metrics = new LayerMetrics(checkpoint, method, calibration);
                ConversionPlan plan = new ConversionPlan(
                        metrics, layers, workers, () -> new ReadCounter("spectra", listener, this::checkStopped));
                return new ConversionRun(
                                metrics,
                                draft,
                                workers,
                                new ConversionRun.Settings(windows, memoryLimit, written, multipliedOut),
                                () -> new ReadCounter("layers", listener, this::checkStopped))
                        .convert(name(source), plan.of(draft), files, (bytes, total) -> {
                            checkStopped();
                            listener.accept(new Progress("copying", bytes, total));
                        });
            }
        }
    }

    /**
     * What a conversion with these groups and this weighting can hope for; nothing is written.
     *
     * @return the spectra of all MoE layers
     * @throws IllegalArgumentException as {@link #convert}
     * @throws CancellationException if it was stopped
     * @throws IOException if reading fails
     */
    public SpectrumReport spectrum() throws IOException {
        return spectrum(false);
    }

    /**
     * As {@link #spectrum}, with what the method would make of the model.
     *
     * @return the spectra of all MoE layers and the plan
     * @throws IllegalArgumentException as {@link #convert}
     * @throws CancellationException if it was stopped
     * @throws IOException if reading fails
     */
    public SpectrumReport plannedSpectrum() throws IOException {
        return spectrum(true);
    }

    private SpectrumReport spectrum(boolean withPlan) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            Map<Integer, MoeSpec> layers = check(checkpoint);
            try (Workers workers = Workers.of(threads, memoryLimit, layers.values())) {
                ConversionPlan plan = new ConversionPlan(
                        new LayerMetrics(checkpoint, method, calibration),
                        layers,
                        workers,
                        () -> new ReadCounter("spectra", listener, this::checkStopped));
                return plan.report(name(source), withPlan);
            }
        }
    }

    /** What a folder is called, wherever it is. */
    static String name(Path folder) {
        Path name = folder.toAbsolutePath().normalize().getFileName();
        return name == null ? folder.toString() : name.toString();
    }

    /** The MoE layers, or why there is nothing to convert. */
    private Map<Integer, MoeSpec> check(Checkpoint checkpoint) throws IOException {
        Map<Integer, MoeSpec> layers = new TreeMap<>();
        for (int i = 0; i < checkpoint.spec().numLayers(); i++) {
            if (checkpoint.spec().feedForwards().get(i) instanceof MoeSpec moe) {
                if (moe.latent().isPresent()) {
                    throw new IllegalArgumentException("the experts of layer " + i + " of " + source
                            + " are factored already; save it multiplied out first");
                }
                layers.put(i, moe);
            }
        }
        if (layers.isEmpty()) {
            throw new IllegalArgumentException(
                    "none of the " + checkpoint.spec().numLayers() + " layers of " + source + " is a MoE layer");
        }
        if (calibration.isPresent()) {
            calibration.get().checkSource(checkpoint);
        }
        return layers;
    }

    /** All that the result depends on. */
    private List<String> settings(Checkpoint checkpoint, TensorType written) throws IOException {
        List<String> lines = new ArrayList<>(method.describe());
        lines.add("source: " + SourceFingerprint.of(checkpoint).hash());
        lines.add("calibration: "
                + calibration
                        .map(moments -> moments.tokens() + " tokens, " + moments.settings() + ", " + moments.hash())
                        .orElse("none"));
        lines.add("text: " + text());
        lines.add("type: " + written);
        lines.add("multiplied out: " + multipliedOut);
        return lines;
    }

    /** How much text, and a sum that tells one from another. */
    private String text() {
        long sum = 0;
        for (int[] window : windows) {
            sum = sum * 31 + Arrays.hashCode(window);
        }
        return windows.isEmpty() ? "none" : windows.size() + " windows, " + Long.toHexString(sum);
    }

    private void checkStopped() {
        if (stopped) {
            throw new CancellationException("the conversion of " + source + " was stopped"
                    + target.map(folder -> "; what is finished is kept in " + CheckpointDraft.folderOf(folder)
                                    + ", and the same conversion goes on from there")
                            .orElse(""));
        }
    }

    /** Asks the conversion to stop at the next matrix, from any thread; {@link #convert} then throws {@link CancellationException}, now and whenever it is called. */
    public void stop() {
        stopped = true;
    }

    /** Builds a {@link Converter}. */
    public static final class Builder {
        private Optional<Path> source = Optional.empty();
        private Optional<Path> target = Optional.empty();
        private Optional<ConversionMethod> method = Optional.empty();
        private Optional<Calibration> calibration = Optional.empty();
        private List<int[]> windows = List.of();
        private OptionalLong memoryLimit = OptionalLong.empty();
        private int threads = Runtime.getRuntime().availableProcessors();
        private Optional<TensorType> type = Optional.empty();
        private boolean multipliedOut;
        private Consumer<Progress> listener = progress -> {};
        private Function<ConversionReport, Map<String, String>> files = report -> Map.of();

        private Builder() {}

        /**
         * Sets what is converted.
         *
         * @param source the folder of a standard MoE
         * @return this builder
         */
        public Builder setSource(Path source) {
            this.source = Optional.of(source);
            return this;
        }

        /**
         * Sets where the converted checkpoint will be; not needed for {@link Converter#spectrum}.
         *
         * @param target a folder that does not exist; beside it, {@code NAME.converting} holds what is unfinished
         * @return this builder
         */
        public Builder setTarget(Path target) {
            this.target = Optional.of(target);
            return this;
        }

        /**
         * Sets how it is converted.
         *
         * @param method the method
         * @return this builder
         */
        public Builder setMethod(ConversionMethod method) {
            this.method = Optional.of(method);
            return this;
        }

        /**
         * Sets what text showed of the experts, for methods that need it.
         *
         * @param calibration of this source
         * @return this builder
         */
        public Builder optCalibration(Calibration calibration) {
            this.calibration = Optional.of(calibration);
            return this;
        }

        /**
         * Sets text that goes through the layers while they are converted: distillation trains on it, and the errors of their outputs are measured
         * on it. Layers then are in memory one at a time, the original and the factored one.
         *
         * @param windows tokens, all of one length
         * @return this builder
         */
        public Builder optText(List<int[]> windows) {
            this.windows = List.copyOf(windows);
            return this;
        }

        /**
         * Sets the memory for factorisations (default: half of the machine's).
         *
         * @param bytes the most bytes
         * @return this builder
         */
        public Builder optMemoryLimit(long bytes) {
            this.memoryLimit = OptionalLong.of(bytes);
            return this;
        }

        /**
         * Sets the most factorisations at a time (default: the number of processors); the memory limit may allow fewer.
         *
         * @param threads at least 1
         * @return this builder
         * @throws IllegalArgumentException if it is not
         */
        public Builder optThreads(int threads) {
            if (threads < 1) {
                throw new IllegalArgumentException("a conversion needs at least 1 thread, got " + threads);
            }
            this.threads = threads;
            return this;
        }

        /**
         * Sets the element type of the experts that are written (default: that of the source).
         *
         * @param type F32, BF16 or F16
         * @return this builder
         */
        public Builder optType(TensorType type) {
            this.type = Optional.of(type);
            return this;
        }

        /**
         * Writes a standard checkpoint whose matrices are the products of the factors, for software that knows no MoLAE.
         *
         * @return this builder
         */
        public Builder optMultipliedOut() {
            multipliedOut = true;
            return this;
        }

        /**
         * Tells how far it has come, from any thread.
         *
         * @param listener is told
         * @return this builder
         */
        public Builder optProgress(Consumer<Progress> listener) {
            this.listener = listener;
            return this;
        }

        /**
         * Sets texts to put into the target before it appears, such as those of {@link ai.molae.djl.convert.report.ConversionFiles} (default: none).
         *
         * @param files makes them of the report, by file name
         * @return this builder
         */
        public Builder optFiles(Function<ConversionReport, Map<String, String>> files) {
            this.files = files;
            return this;
        }

        /**
         * Builds the converter.
         *
         * @return the converter
         * @throws IllegalArgumentException if source or method is missing, or the method needs a calibration and there is none
         */
        public Converter build() {
            return new Converter(this);
        }
    }
}
