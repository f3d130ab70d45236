package ai.molae.djl.convert;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.cost.CostModel;
import ai.molae.djl.convert.LayerPlanner.Spectra;
import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.LayerMoments;
import ai.molae.djl.convert.calibrate.SourceFingerprint;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.convert.factor.LayerFactors;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.djl.hf.LayerRows;
import ai.molae.djl.json.SpecJson;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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
 * <p>Memory: what {@link Builder#optMemoryLimit} allows for factorisations, the projections of a layer in float32, and one expert. An interrupted
 * conversion, killed or out of disk space, is gone on with by the next one of the same settings; the target appears when it is complete.
 *
 * <p>For one thread, but {@link #stop} is for any.
 */
public final class Converter {

    /**
     * How far a conversion has come.
     *
     * @param stage what is being done: "spectra", "layers" or "copying"
     * @param done units done
     * @param total units of this stage: matrices, or bytes when copying
     */
    public record Progress(String stage, long done, long total) {}

    private static final Logger LOG = LoggerFactory.getLogger(Converter.class);
    private static final int WINDOWS_PER_BATCH = 8;

    private final Path source;
    private final Path target;
    private final ConversionMethod method;
    private final LayerPlanner planner;
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
        target = builder.target.orElse(Path.of(""));
        method = builder.method.orElseThrow(() -> missing("method", "setMethod"));
        calibration = builder.calibration;
        windows = builder.windows;
        memoryLimit = builder.memoryLimit.orElseGet(Converter::halfOfMemory);
        threads = builder.threads;
        type = builder.type;
        multipliedOut = builder.multipliedOut;
        listener = builder.listener;
        files = builder.files;
        planner = new LayerPlanner(method);
        if (method.needsCalibration() && calibration.isEmpty()) {
            throw new IllegalArgumentException("the method needs a calibration: weighting " + method.weighting()
                    + ", groups " + method.groups().kind() + ", " + method.alternatingSweeps()
                    + " alternating sweeps; calibrate first, or choose a method that needs no text");
        }
        if (method.distillation().isPresent() && windows.isEmpty()) {
            throw new IllegalArgumentException("the method distils layers; use optText to say on which text");
        }
    }

    private static IllegalArgumentException missing(String what, String setter) {
        return new IllegalArgumentException("a Converter needs a " + what + "; use " + setter);
    }

    private static long halfOfMemory() {
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
     *     are not finite, the calibration is of another checkpoint, or an unfinished conversion of other settings is in the way
     * @throws CancellationException if it was stopped
     * @throws IOException if reading or writing fails; what is finished stays for the next call
     */
    public ConversionReport convert() throws IOException {
        if (target.toString().isEmpty()) {
            throw missing("target", "setTarget");
        }
        try (Checkpoint checkpoint = Checkpoint.open(source)) {
            Map<Integer, MoeSpec> layers = check(checkpoint);
            TensorType written = type.orElseGet(checkpoint::prevailingType);
            try (CheckpointDraft draft =
                            CheckpointDraft.open(target, checkpoint, written, settings(checkpoint, written));
                    Workers workers = workers(layers)) {
                return convert(new Job(checkpoint, layers, draft, workers, written));
            }
        }
    }

    /** What a conversion works with. */
    private record Job(
            Checkpoint checkpoint,
            Map<Integer, MoeSpec> layers,
            CheckpointDraft draft,
            Workers workers,
            TensorType written) {}

    private ConversionReport convert(Job job) throws IOException {
        Map<Integer, Optional<LatentSpec>> plan = plan(job);
        Map<Integer, MoeSpec> factored = new TreeMap<>();
        plan.forEach((layer, latent) -> latent.ifPresent(
                l -> factored.put(layer, spec(job.layers(), layer).withLatent(l))));
        factored.values().forEach(LayerFactors::checkRanks);
        Units units = new Units(
                "layers",
                factored.values().stream().mapToLong(Converter::matrices).sum());
        List<LayerConversion> done = new ArrayList<>();
        Optional<ConvertedStream> text = text(job, factored);
        try {
            for (Map.Entry<Integer, MoeSpec> layer : factored.entrySet()) {
                Optional<String> finished = job.draft().finished(layer.getKey());
                if (finished.isPresent()) {
                    units.add(matrices(layer.getValue()));
                    done.add(LayerNote.read(layer.getKey(), spec(job.layers(), layer.getKey()), finished.get()));
                } else {
                    done.add(convert(job, layer.getKey(), factored, text, units));
                }
            }
        } finally {
            text.ifPresent(ConvertedStream::close);
        }
        ModelSpec before = job.checkpoint().spec();
        ModelSpec after = before.mapLayers((i, layer) -> {
            MoeSpec molae = factored.get(i);
            return molae == null ? layer : molae;
        });
        ConversionReport report = new ConversionReport(name(source), described(), before, after, done, Map.of());
        job.draft()
                .finish(
                        multipliedOut ? before : after,
                        factored.keySet(),
                        files.apply(report),
                        (bytes, total) -> listener.accept(new Progress("copying", bytes, total)));
        return report;
    }

    /** The method, and that a checkpoint is not as small as the report says if it is not. */
    private List<String> described() {
        List<String> lines = new ArrayList<>(method.describe());
        if (multipliedOut) {
            lines.add("written: multiplied out, a standard checkpoint as large as before");
        }
        return lines;
    }

    /** The text, if it has work to do. */
    private Optional<ConvertedStream> text(Job job, Map<Integer, MoeSpec> factored) throws IOException {
        boolean work = false;
        for (int layer : factored.keySet()) {
            work |= job.draft().finished(layer).isEmpty();
        }
        if (windows.isEmpty() || !work) {
            return Optional.empty();
        }
        long needed =
                factored.values().stream().mapToLong(this::layerBytes).max().orElse(0);
        if (needed > memoryLimit && method.distillation().isEmpty()) {
            LOG.warn(
                    "outputs are not measured: a layer and its factored form take {} MB, the memory limit is {} MB",
                    needed / 1_000_000,
                    memoryLimit / 1_000_000);
            return Optional.empty();
        }
        if (needed > memoryLimit) {
            throw new IllegalArgumentException(
                    "distillation holds whole layers in float32, the original and the factored one with its gradients and moments"
                            + ", which takes "
                            + needed / 1_000_000 + " MB; the memory limit is " + memoryLimit / 1_000_000
                            + " MB; allow more, or convert without distillation");
        }
        return Optional.of(new ConvertedStream(job.checkpoint(), windows, WINDOWS_PER_BATCH, () -> {
            if (stopped) {
                throw new StopSignal();
            }
        }));
    }

    private long layerBytes(MoeSpec molae) {
        long copies = method.distillation().isPresent() ? 5 : 1;
        return Float.BYTES
                * (CostModel.layer(molae.withoutLatent()).parameters()
                        + copies * CostModel.layer(molae).parameters());
    }

    private static String name(Path folder) {
        Path name = folder.toAbsolutePath().normalize().getFileName();
        return name == null ? folder.toString() : name.toString();
    }

    private static MoeSpec spec(Map<Integer, MoeSpec> layers, int layer) {
        MoeSpec spec = layers.get(layer);
        if (spec == null) {
            throw new IllegalArgumentException("layer " + layer + " is no MoE layer; those are " + layers.keySet());
        }
        return spec;
    }

    /** Matrices to read: each once for the projections and once for the own factors, or once if it stays as it is. */
    private static long matrices(MoeSpec factored) {
        return (long) factored.numExperts()
                * (factored.operators().size()
                        + factored.latent().orElseThrow().latentSizes().size());
    }

    /** Counts matrices, and stops between them if asked to. */
    private final class Units {
        private final String stage;
        private final long total;
        private long done;

        Units(String stage, long total) {
            this.stage = stage;
            this.total = total;
        }

        synchronized void add(long more) {
            // Iterations read matrices more often than the total says.
            done = Math.min(total, done + more);
            listener.accept(new Progress(stage, done, total));
        }

        /** A source that counts what is read. */
        ExpertSource counting(ExpertSource experts) {
            return new ExpertSource() {
                @Override
                public MoeSpec spec() {
                    return experts.spec();
                }

                @Override
                public NDArray read(NDManager manager, int expert, ExpertOperator operator) {
                    if (stopped) {
                        throw new StopSignal();
                    }
                    NDArray matrix = experts.read(manager, expert, operator);
                    add(1);
                    return matrix;
                }
            };
        }
    }

    /** Unwinds to where the stop is reported. */
    private static final class StopSignal extends RuntimeException {
        private static final long serialVersionUID = 1;

        StopSignal() {
            super("stopped", null, false, false);
        }
    }

    private CancellationException stoppedException() {
        return new CancellationException("the conversion into " + target
                + " was stopped; what is finished is kept in " + CheckpointDraft.folderOf(target)
                + ", and the same conversion goes on from there");
    }

    private LayerConversion convert(
            Job job, int layer, Map<Integer, MoeSpec> factored, Optional<ConvertedStream> text, Units units)
            throws IOException {
        long start = System.nanoTime();
        MoeSpec molae = spec(factored, layer);
        Metric metric = metric(job.checkpoint(), layer, moments(layer));
        Supplier<ExpertSource> sources = () -> units.counting(new CheckpointExperts(job.checkpoint(), layer));
        LayerFactors.Problem problem = new LayerFactors.Problem(
                molae,
                metric,
                rankReduction(molae),
                scalarType(job.written()),
                new LayerFactors.Iterations(method.alternatingSweeps(), method.refinementSteps()),
                heldDecoders(molae));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                LayerFactors factors = LayerFactors.solve(
                        manager, problem, sources, job.workers().executor())) {
            LayerRows rows = new FactoredRows(factors, sources.get());
            AtomicReference<LayerConversion> result = new AtomicReference<>();
            ConvertedStream.Use write = converted -> job.draft()
                    .write(
                            layer,
                            multipliedOut ? molae.withoutLatent() : molae,
                            multipliedOut ? new MultipliedRows(molae, converted.rows()) : converted.rows(),
                            () -> {
                                // The errors are known once all factors are written.
                                result.set(result(layer, molae, factors, converted.outputError(), start));
                                return LayerNote.write(Objects.requireNonNull(result.get()));
                            });
            if (text.isPresent()) {
                text.get().convert(layer, factored, job.draft(), molae, rows, method.distillation(), write);
            } else {
                write.accept(new ConvertedStream.Converted(rows, OptionalDouble.empty()));
            }
            return Objects.requireNonNull(result.get());
        } catch (StopSignal e) {
            throw stoppedException();
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("layer " + layer + ": " + e.getMessage(), e);
        }
    }

    private LayerConversion result(
            int layer, MoeSpec molae, LayerFactors factors, OptionalDouble outputError, long start) {
        Map<ExpertOperator, OperatorError> errors = new EnumMap<>(ExpertOperator.class);
        molae.latent()
                .orElseThrow()
                .latentSizes()
                .forEach((operator, r) -> errors.put(
                        operator,
                        new OperatorError(
                                r,
                                factors.relativeError(operator),
                                method.weighting() == Weighting.NONE
                                        ? OptionalDouble.empty()
                                        : OptionalDouble.of(factors.weightedError(operator)))));
        return new LayerConversion(
                layer, molae.withoutLatent(), molae, errors, outputError, (System.nanoTime() - start) / 1e9);
    }

    private OptionalInt rankReduction(MoeSpec molae) {
        if (method.rankReduction().isEmpty() || method.rankReduction().getAsInt() > 0) {
            return method.rankReduction();
        }
        return OptionalInt.of(molae.latent().orElseThrow().latentSizes().values().stream()
                .mapToInt(Integer::intValue)
                .max()
                .orElseThrow());
    }

    private static int scalarType(TensorType type) {
        return switch (type) {
            case BF16 -> 15;
            case F16 -> 5;
            default -> 6;
        };
    }

    /** A quarter of the memory limit for what own factors are computed with. */
    private int heldDecoders(MoeSpec molae) {
        long r = molae.latent().orElseThrow().latentSizes().values().stream()
                .mapToInt(Integer::intValue)
                .max()
                .orElseThrow();
        long bytes = (molae.hiddenSize() * r + 2 * r * r) * Double.BYTES;
        return (int) Math.min(10_000, Math.max(1, memoryLimit / 4 / bytes));
    }

    private Optional<LayerMoments> moments(int layer) throws IOException {
        return calibration.isPresent() ? Optional.of(calibration.get().layer(layer)) : Optional.empty();
    }

    private Metric metric(Checkpoint checkpoint, int layer, Optional<LayerMoments> moments) {
        return switch (method.weighting()) {
            case NONE -> Metric.FROBENIUS;
            case FREQUENCY -> Metrics.frequency(moments.orElseThrow(), method.shrinkage());
            case SCALES -> new ScaleMetric(new CheckpointExperts(checkpoint, layer), gamma(checkpoint, layer));
            case ACTIVATIONS -> Metrics.moments(moments.orElseThrow(), method.shrinkage(), false);
            case SENSITIVITY -> Metrics.moments(moments.orElseThrow(), method.shrinkage(), true);
        };
    }

    /** The weights of the norm before the layer. */
    private static float[] gamma(Checkpoint checkpoint, int layer) {
        Parameter norm = Parameter.builder()
                .setName("norm")
                .setType(Parameter.Type.OTHER)
                .optShape(new Shape(checkpoint.spec().hiddenSize()))
                .build();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                NDArray values = checkpoint
                        .weights(Map.of("layers." + layer + ".post_attention_layernorm", norm))
                        .read(manager, norm, 0, checkpoint.spec().hiddenSize())) {
            return values.toFloatArray();
        }
    }

    /** The latent part of every MoE layer, found once and remembered in the draft. */
    private Map<Integer, Optional<LatentSpec>> plan(Job job) throws IOException {
        Optional<String> before = job.draft().note("plan.json");
        if (before.isPresent()) {
            Map<Integer, Optional<LatentSpec>> plan = new TreeMap<>();
            JsonParser.parseString(before.get())
                    .getAsJsonObject()
                    .asMap()
                    .forEach((layer, tree) -> plan.put(
                            Integer.valueOf(layer),
                            tree.isJsonNull()
                                    ? Optional.empty()
                                    : Optional.of(
                                            SpecJson.latent("plan.json: " + layer + ".", tree.getAsJsonObject()))));
            return plan;
        }
        Map<Integer, Optional<LatentSpec>> plan = newPlan(job);
        JsonObject json = new JsonObject();
        plan.forEach((layer, latent) -> json.add(
                String.valueOf(layer), latent.isPresent() ? SpecJson.toTree(latent.get()) : JsonNull.INSTANCE));
        job.draft().note("plan.json", json + "\n");
        return plan;
    }

    private Map<Integer, Optional<LatentSpec>> newPlan(Job job) throws IOException {
        if (method.ranks() instanceof RankPolicy.Budget) {
            return plan(spectra(job.checkpoint(), job.layers(), job.workers()));
        }
        Map<Integer, Optional<LatentSpec>> plan = new TreeMap<>();
        for (Map.Entry<Integer, MoeSpec> layer : job.layers().entrySet()) {
            Optional<LayerMoments> moments = moments(layer.getKey());
            ExpertGroups groups = planner.groups(
                    new CheckpointExperts(job.checkpoint(), layer.getKey()),
                    metric(job.checkpoint(), layer.getKey(), moments),
                    moments);
            plan.put(layer.getKey(), Optional.of(planner.latent(layer.getValue(), groups)));
        }
        return plan;
    }

    /** The latent parts when the spectra are known. */
    private Map<Integer, Optional<LatentSpec>> plan(Map<Integer, Spectra> spectra) {
        if (method.ranks() instanceof RankPolicy.Budget budget) {
            return planner.allocate(spectra, budget);
        }
        Map<Integer, Optional<LatentSpec>> plan = new TreeMap<>();
        spectra.forEach((layer, found) -> plan.put(layer, Optional.of(planner.latent(found.moe(), found.groups()))));
        return plan;
    }

    private static ModelSpec planned(ModelSpec model, Map<Integer, Optional<LatentSpec>> plan) {
        return model.mapLayers((i, layer) -> plan.getOrDefault(i, Optional.empty())
                .map(latent -> (FeedForwardSpec) ((MoeSpec) layer).withLatent(latent))
                .orElse(layer));
    }

    private Map<Integer, Spectra> spectra(Checkpoint checkpoint, Map<Integer, MoeSpec> layers, Workers workers)
            throws IOException {
        Units units = new Units(
                "spectra",
                layers.values().stream()
                        .mapToLong(moe ->
                                (long) moe.numExperts() * planner.operators(moe).size())
                        .sum());
        Map<Integer, Spectra> spectra = new LinkedHashMap<>();
        for (Map.Entry<Integer, MoeSpec> layer : layers.entrySet()) {
            int index = layer.getKey();
            Optional<LayerMoments> moments = moments(index);
            Metric metric = metric(checkpoint, index, moments);
            ExpertGroups groups = planner.groups(new CheckpointExperts(checkpoint, index), metric, moments);
            LatentSpec.Builder latent = LatentSpec.builder().setGroups(groups).optTiedGateUp(method.tiedGateUp());
            planner.operators(layer.getValue()).forEach(operator -> latent.optLatentSize(operator, 1));
            LayerFactors.Problem problem = new LayerFactors.Problem(
                    layer.getValue().withLatent(latent.build()),
                    metric,
                    OptionalInt.empty(),
                    6,
                    LayerFactors.Iterations.NONE,
                    1);
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                spectra.put(
                        index,
                        new Spectra(
                                layer.getValue(),
                                groups,
                                LayerFactors.spectra(
                                        manager,
                                        problem,
                                        () -> units.counting(new CheckpointExperts(checkpoint, index)),
                                        workers.executor())));
            } catch (StopSignal e) {
                throw stoppedException();
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException("layer " + index + ": " + e.getMessage(), e);
            }
        }
        return spectra;
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
            List<OperatorSpectrum> list = new ArrayList<>();
            Map<Integer, Spectra> spectra;
            try (Workers workers = workers(layers)) {
                spectra = spectra(checkpoint, layers, workers);
            }
            spectra.forEach((index, layer) -> {
                int[] sizes = layer.groups().sizes();
                layer.ofOperator().forEach((operator, groups) -> {
                    for (int g = 0; g < groups.size(); g++) {
                        list.add(new OperatorSpectrum(
                                index,
                                operator,
                                g,
                                sizes[g],
                                layer.moe().intermediateSize(),
                                layer.moe().hiddenSize(),
                                groups.get(g)));
                    }
                });
            });
            Optional<ModelSpec> planned =
                    withPlan ? Optional.of(planned(checkpoint.spec(), plan(spectra))) : Optional.empty();
            return new SpectrumReport(name(source), checkpoint.spec(), method.weighting(), list, planned);
        }
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

    private Workers workers(Map<Integer, MoeSpec> layers) {
        long largest =
                layers.values().stream().mapToLong(Workers::taskBytes).max().orElseThrow();
        return Workers.of(threads, memoryLimit, largest);
    }

    private List<String> settings(Checkpoint checkpoint, TensorType written) throws IOException {
        List<String> lines = new ArrayList<>(method.describe());
        lines.add("source: " + SourceFingerprint.of(checkpoint));
        lines.add("calibration: "
                + calibration
                        .map(c -> c.tokens() + " tokens of " + c.fingerprint())
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

    /** Asks a running conversion to stop at the next matrix; {@link #convert} then throws {@link CancellationException}. */
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
