package ai.molae.djl.convert;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.convert.factor.LayerFactors;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * The spectra of the experts as they are: in each layer and operator of the matrices of all experts, stacked; where experts share a projection, of those of each
 * group. Unlike {@link Converter#spectrum} of some layers only, and of factored ones too: there a stack {@code [A_1; …; A_k] B} has no more than r singular
 * values, those of {@code [A_1 S; …; A_k S]} (km × r) with {@code S Sᵀ = B Bᵀ}, and the report's n is r.
 *
 * <pre>
 *   work of a stack   Σ_i 2 m n² + about 9 n³ FLOPs, n being r of a factored one
 * </pre>
 *
 * <p>Memory as a conversion. For one thread, but {@link #stop} is for any.
 */
public final class ExpertSpectra {

    private final Checkpoint checkpoint;
    private final SortedSet<Integer> layers;
    private final long memoryLimit;
    private final int threads;
    private final Consumer<Converter.Progress> listener;
    private volatile boolean stopped;

    /**
     * Spectra of some layers, with half of the machine's memory and all its processors.
     *
     * @param checkpoint open as long as this works
     * @param layers numbers of MoE layers
     * @param listener told how many matrices have been read
     * @throws IllegalArgumentException if a layer is no MoE layer
     */
    public ExpertSpectra(Checkpoint checkpoint, Collection<Integer> layers, Consumer<Converter.Progress> listener) {
        this.checkpoint = checkpoint;
        this.layers = new TreeSet<>(layers);
        this.listener = listener;
        memoryLimit = Converter.halfOfMemory();
        threads = Runtime.getRuntime().availableProcessors();
        for (int layer : this.layers) {
            if (layer < 0
                    || layer >= checkpoint.spec().numLayers()
                    || !(checkpoint.spec().feedForwards().get(layer) instanceof MoeSpec)) {
                throw new IllegalArgumentException("layer " + layer + " is no MoE layer of " + checkpoint.folder());
            }
        }
    }

    /**
     * The arithmetic that a layer's spectra take.
     *
     * @param layer the layer
     * @return FLOPs, all of them in float64
     */
    public static double flops(MoeSpec layer) {
        double sum = 0;
        for (ExpertOperator operator : layer.operators()) {
            double n = layer.expertWidth(operator);
            int groups = layer.isFactored(operator) ? layer.expertGroups().numGroups() : 1;
            sum += 2.0 * layer.numExperts() * layer.intermediateSize() * n * n + 9.0 * groups * n * n * n;
        }
        return sum;
    }

    /**
     * Reads the experts and finds their spectra.
     *
     * @return the spectra of these layers
     * @throws IllegalArgumentException if weights are not finite, or memory is too small
     * @throws CancellationException if it was stopped
     */
    public SpectrumReport compute() {
        List<MoeSpec> specs = layers.stream().map(this::spec).toList();
        ReadCounter counter = new ReadCounter("spectra", listener, this::checkStopped)
                .of(specs.stream()
                        .mapToLong(
                                moe -> (long) moe.numExperts() * moe.operators().size())
                        .sum());
        List<OperatorSpectrum> spectra = new ArrayList<>();
        if (!layers.isEmpty()) {
            try (Workers workers = Workers.of(threads, memoryLimit, specs);
                    NDManager manager = NDManager.newBaseManager("PyTorch")) {
                for (int layer : layers) {
                    checkStopped();
                    try {
                        spectra.addAll(of(layer, manager, workers, counter));
                    } catch (IllegalArgumentException e) {
                        throw ConversionPlan.ofLayer(layer, e);
                    }
                }
            }
        }
        return new SpectrumReport(Converter.name(checkpoint.folder()), checkpoint.spec(), Weighting.NONE, spectra);
    }

    private MoeSpec spec(int layer) {
        return (MoeSpec) checkpoint.spec().feedForwards().get(layer);
    }

    private List<OperatorSpectrum> of(int layer, NDManager manager, Workers workers, ReadCounter counter) {
        MoeSpec moe = spec(layer);
        if (moe.latent().isEmpty()) {
            LatentSpec.Builder one =
                    LatentSpec.builder().setGroups(ExpertGroups.contiguous(moe.numExperts(), moe.numExperts()));
            // Spectra do not depend on latent sizes.
            moe.operators().forEach(operator -> one.optLatentSize(operator, 1));
            return list(
                    layer,
                    moe.withLatent(one.build()),
                    manager,
                    CheckpointExperts.perThread(checkpoint, layer, counter),
                    workers);
        }
        List<OperatorSpectrum> spectra = new ArrayList<>();
        for (ExpertOperator operator : moe.operators()) {
            spectra.addAll(list(
                    layer,
                    FactoredExperts.stack(moe, operator),
                    manager,
                    FactoredExperts.perThread(checkpoint, layer, operator, counter),
                    workers));
        }
        return spectra;
    }

    private static List<OperatorSpectrum> list(
            int layer, MoeSpec stack, NDManager manager, Supplier<ExpertSource> sources, Workers workers) {
        LayerFactors.Problem problem = new LayerFactors.Problem(
                stack, Metric.FROBENIUS, OptionalInt.empty(), 6, LayerFactors.Iterations.NONE, 1);
        Map<ExpertOperator, List<double[]>> found = LayerFactors.spectra(manager, problem, sources, workers.executor());
        return OperatorSpectrum.list(layer, stack, stack.expertGroups(), found);
    }

    private void checkStopped() {
        if (stopped) {
            throw new CancellationException("interrupted");
        }
    }

    /** Asks {@link #compute} to stop at the next matrix, from any thread; it then throws {@link CancellationException}, now and whenever it is called. */
    public void stop() {
        stopped = true;
    }
}
