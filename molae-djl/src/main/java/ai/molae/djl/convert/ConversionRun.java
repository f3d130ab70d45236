package ai.molae.djl.convert;

import ai.djl.ndarray.NDManager;
import ai.molae.cost.CostModel;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.convert.factor.LayerFactors;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.djl.hf.LayerRows;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The layers of a conversion, one after the other, into a draft. */
final class ConversionRun {

    private static final Logger LOG = LoggerFactory.getLogger(ConversionRun.class);
    private static final int WINDOWS_PER_BATCH = 8;

    private final LayerMetrics metrics;
    private final Checkpoint checkpoint;
    private final ConversionMethod method;
    private final CheckpointDraft draft;
    private final Workers workers;
    private final Settings settings;
    private final Supplier<ReadCounter> counters;

    /** How a conversion is done. */
    record Settings(List<int[]> windows, long memoryLimit, TensorType written, boolean multipliedOut) {}

    ConversionRun(
            LayerMetrics metrics,
            CheckpointDraft draft,
            Workers workers,
            Settings settings,
            Supplier<ReadCounter> counters) {
        this.metrics = metrics;
        this.checkpoint = metrics.checkpoint();
        this.method = metrics.method();
        this.draft = draft;
        this.workers = workers;
        this.settings = settings;
        this.counters = counters;
    }

    /** Converts the layers that are not finished, and gives the checkpoint its name. */
    ConversionReport convert(
            String name,
            Map<Integer, MoeSpec> factored,
            Function<ConversionReport, Map<String, String>> files,
            CheckpointDraft.Progress copying)
            throws IOException {
        ReadCounter counter = counters.get()
                .of(factored.values().stream()
                        .mapToLong(ConversionRun::matrices)
                        .sum());
        List<LayerConversion> done = new ArrayList<>();
        Optional<ConvertedStream> text = text(factored, counter);
        try {
            for (Map.Entry<Integer, MoeSpec> layer : factored.entrySet()) {
                counter.checkStopped();
                Optional<String> finished = draft.finished(layer.getKey());
                if (finished.isPresent()) {
                    counter.add(matrices(layer.getValue()));
                    done.add(LayerNote.read(layer.getKey(), layer.getValue().withoutLatent(), finished.get()));
                } else {
                    done.add(convert(layer.getKey(), factored, text, counter));
                }
            }
        } finally {
            text.ifPresent(ConvertedStream::close);
        }
        ModelSpec before = checkpoint.spec();
        ModelSpec after = before.mapLayers((i, layer) -> {
            MoeSpec molae = factored.get(i);
            return molae == null ? layer : molae;
        });
        ConversionReport report = new ConversionReport(name, described(), before, after, done, Map.of());
        draft.finish(settings.multipliedOut() ? before : after, factored.keySet(), files.apply(report), copying);
        return report;
    }

    /** The method, and that a checkpoint is not as small as the report says if it is not. */
    private List<String> described() {
        List<String> lines = new ArrayList<>(method.describe());
        if (settings.multipliedOut()) {
            lines.add("written: multiplied out, a standard checkpoint as large as before");
        }
        return lines;
    }

    /** Matrices to read: each once for the projections and once for the own factors. */
    private static long matrices(MoeSpec factored) {
        return 2L
                * factored.numExperts()
                * factored.latent().orElseThrow().latentSizes().size();
    }

    /** The text, if it has work to do. */
    private Optional<ConvertedStream> text(Map<Integer, MoeSpec> factored, ReadCounter counter) throws IOException {
        boolean work = false;
        for (int layer : factored.keySet()) {
            work |= draft.finished(layer).isEmpty();
        }
        if (settings.windows().isEmpty() || !work) {
            return Optional.empty();
        }
        long needed =
                factored.values().stream().mapToLong(this::layerBytes).max().orElse(0);
        if (needed <= settings.memoryLimit()) {
            return Optional.of(new ConvertedStream(
                    checkpoint,
                    settings.windows(),
                    // At least two batches where there are two windows: distillation holds one out.
                    Math.max(1, Math.min(WINDOWS_PER_BATCH, settings.windows().size() / 2)),
                    settings.multipliedOut(),
                    counter::checkStopped));
        }
        String megabytes =
                needed / 1_000_000 + " MB; the memory limit is " + settings.memoryLimit() / 1_000_000 + " MB";
        if (method.distillation().isPresent()) {
            throw new IllegalArgumentException(
                    "distillation holds a layer in float32, and its factored form with gradients and moments, which takes "
                            + megabytes + "; allow more, or convert without distillation");
        }
        LOG.warn("outputs are not measured: a layer and its factored form in float32 take {}", megabytes);
        return Optional.empty();
    }

    private long layerBytes(MoeSpec molae) {
        long copies = method.distillation().isPresent() ? 5 : 1;
        return Float.BYTES
                * (CostModel.layer(molae.withoutLatent()).parameters()
                        + copies * CostModel.layer(molae).parameters());
    }

    private LayerConversion convert(
            int layer, Map<Integer, MoeSpec> factored, Optional<ConvertedStream> text, ReadCounter counter)
            throws IOException {
        long start = System.nanoTime();
        MoeSpec molae = Objects.requireNonNull(factored.get(layer), "not factored");
        Supplier<ExpertSource> sources = CheckpointExperts.perThread(checkpoint, layer, counter);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                LayerFactors factors =
                        LayerFactors.solve(manager, problem(layer, molae), sources, workers.executor())) {
            AtomicReference<LayerConversion> result = new AtomicReference<>();
            ConvertedStream.Use write = converted -> draft.write(
                    layer,
                    settings.multipliedOut() ? molae.withoutLatent() : molae,
                    settings.multipliedOut() ? new MultipliedRows(molae, converted.rows()) : converted.rows(),
                    () -> {
                        // The errors are known once all factors are written.
                        result.set(result(layer, molae, factors, converted, start));
                        return LayerNote.write(Objects.requireNonNull(result.get()));
                    });
            // Matrices that are not factored are not among those counted.
            LayerRows rows = new FactoredRows(factors, new CheckpointExperts(checkpoint, layer));
            if (text.isPresent()) {
                text.get().convert(layer, factored, draft, molae, rows, method.distillation(), write);
            } else {
                write.accept(ConvertedStream.Converted.of(rows));
            }
            return Objects.requireNonNull(result.get());
        } catch (IllegalArgumentException e) {
            throw ConversionPlan.ofLayer(layer, e);
        }
    }

    private LayerFactors.Problem problem(int layer, MoeSpec molae) throws IOException {
        int widest = molae.latent().orElseThrow().latentSizes().values().stream()
                .mapToInt(Integer::intValue)
                .max()
                .orElseThrow();
        return new LayerFactors.Problem(
                molae,
                metrics.of(layer),
                method.rankReduction(),
                scalarType(settings.written()),
                new LayerFactors.Iterations(method.alternatingSweeps(), method.refinementSteps()),
                heldDecoders(molae.hiddenSize(), widest));
    }

    private static int scalarType(TensorType type) {
        return switch (type) {
            case BF16 -> 15;
            case F16 -> 5;
            default -> 6;
        };
    }

    /** A quarter of the memory limit for what own factors are computed with. */
    private int heldDecoders(long n, long r) {
        long bytes = (n * r + 2 * r * r) * Double.BYTES;
        return (int) Math.min(10_000, Math.max(1, settings.memoryLimit() / 4 / bytes));
    }

    private LayerConversion result(
            int layer, MoeSpec molae, LayerFactors factors, ConvertedStream.Converted converted, long start) {
        // Sweeps minimise the error in a norm of each expert's own, and training no error of weights at all.
        boolean weighted = method.weighting() != Weighting.NONE
                && method.alternatingSweeps() == 0
                && converted.trainedErrors().isEmpty();
        Map<ExpertOperator, OperatorError> errors = new EnumMap<>(ExpertOperator.class);
        molae.latent().orElseThrow().latentSizes().forEach((operator, r) -> {
            Double trained = converted.trainedErrors().get(operator);
            errors.put(
                    operator,
                    new OperatorError(
                            r,
                            trained == null ? factors.relativeError(operator) : trained,
                            weighted ? OptionalDouble.of(factors.weightedError(operator)) : OptionalDouble.empty()));
        });
        return new LayerConversion(
                layer,
                molae.withoutLatent(),
                molae,
                errors,
                converted.outputError(),
                (System.nanoTime() - start) / 1e9);
    }
}
