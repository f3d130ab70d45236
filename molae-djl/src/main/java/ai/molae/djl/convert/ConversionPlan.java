package ai.molae.djl.convert;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.convert.LayerPlanner.Spectra;
import ai.molae.djl.convert.factor.LayerFactors;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.djl.files.Shown;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.djl.json.SpecJson;
import ai.molae.djl.json.StrictJson;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.function.Supplier;

/** Groups and latent sizes of all layers, found once and remembered in the draft. */
final class ConversionPlan {

    private static final String FILE = "plan.json";

    private final LayerMetrics metrics;
    private final Map<Integer, MoeSpec> layers;
    private final Workers workers;
    private final Supplier<ReadCounter> counters;
    private final LayerPlanner planner;

    ConversionPlan(
            LayerMetrics metrics, Map<Integer, MoeSpec> layers, Workers workers, Supplier<ReadCounter> counters) {
        this.metrics = metrics;
        this.layers = layers;
        this.workers = workers;
        this.counters = counters;
        planner = new LayerPlanner(metrics.method());
    }

    /**
     * The factored layers.
     *
     * @throws IllegalArgumentException if a latent size exceeds the rank of the matrices
     */
    Map<Integer, MoeSpec> of(CheckpointDraft draft) throws IOException {
        Map<Integer, MoeSpec> factored = new TreeMap<>();
        latents(draft)
                .forEach((layer, latent) -> latent.ifPresent(l -> {
                    MoeSpec moe = layers.get(layer);
                    if (moe == null) {
                        throw new IllegalArgumentException(
                                FILE + " has layer " + layer + "; MoE layers are " + layers.keySet());
                    }
                    MoeSpec molae = moe.withLatent(l);
                    try {
                        LayerFactors.checkRanks(molae);
                    } catch (IllegalArgumentException e) {
                        throw ConversionPlan.ofLayer(layer, e);
                    }
                    factored.put(layer, molae);
                }));
        return factored;
    }

    private Map<Integer, Optional<LatentSpec>> latents(CheckpointDraft draft) throws IOException {
        Optional<String> before = draft.note(FILE);
        if (before.isPresent()) {
            return read(before.get());
        }
        Map<Integer, Optional<LatentSpec>> found = find();
        draft.note(FILE, write(found));
        return found;
    }

    private static String write(Map<Integer, Optional<LatentSpec>> latents) {
        JsonObject json = new JsonObject();
        latents.forEach((layer, latent) -> json.add(
                String.valueOf(layer), latent.isPresent() ? SpecJson.toTree(latent.get()) : JsonNull.INSTANCE));
        return json + "\n";
    }

    /**
     * Reads what was noted.
     *
     * @throws IllegalArgumentException if it is not what {@link #write} makes
     */
    static Map<Integer, Optional<LatentSpec>> read(String text) {
        Map<Integer, Optional<LatentSpec>> latents = new TreeMap<>();
        try {
            StrictJson.parse(text).asMap().forEach((layer, tree) -> {
                if (!layer.matches("\\d{1,9}") || !(tree.isJsonNull() || tree.isJsonObject())) {
                    throw new IllegalArgumentException(
                            "not a layer's number and its latent sizes: " + Shown.value(layer + ": " + tree));
                }
                latents.put(
                        Integer.valueOf(layer),
                        tree.isJsonNull()
                                ? Optional.empty()
                                : Optional.of(SpecJson.latent(layer + ".", tree.getAsJsonObject())));
            });
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "the " + FILE + " of the conversion is damaged: " + Shown.message(e.getMessage()) + "; begin anew",
                    e);
        }
        return latents;
    }

    private Map<Integer, Optional<LatentSpec>> find() throws IOException {
        if (metrics.method().ranks() instanceof RankPolicy.Budget) {
            return find(spectra());
        }
        Map<Integer, Optional<LatentSpec>> latents = new TreeMap<>();
        for (Map.Entry<Integer, MoeSpec> layer : layers.entrySet()) {
            try {
                LatentSpec latent =
                        planner.latent(layer.getValue(), groups(layer.getKey(), metrics.of(layer.getKey())));
                // Before the plan is noted, so that one that is refused is in nobody's way.
                LayerFactors.checkRanks(layer.getValue().withLatent(latent));
                latents.put(layer.getKey(), Optional.of(latent));
            } catch (IllegalArgumentException e) {
                throw ofLayer(layer.getKey(), e);
            }
        }
        return latents;
    }

    /** When the spectra are known. */
    private Map<Integer, Optional<LatentSpec>> find(Map<Integer, Spectra> spectra) {
        if (metrics.method().ranks() instanceof RankPolicy.Budget budget) {
            return planner.allocate(spectra, budget);
        }
        Map<Integer, Optional<LatentSpec>> latents = new TreeMap<>();
        spectra.forEach((layer, found) -> latents.put(layer, Optional.of(planner.latent(found.moe(), found.groups()))));
        return latents;
    }

    /** The same, which says in which layer. */
    static IllegalArgumentException ofLayer(int layer, IllegalArgumentException e) {
        return new IllegalArgumentException("layer " + layer + ": " + e.getMessage(), e);
    }

    private ExpertGroups groups(int layer, Metric metric) throws IOException {
        return planner.groups(new CheckpointExperts(metrics.checkpoint(), layer), metric, metrics.moments(layer));
    }

    private Map<Integer, Spectra> spectra() throws IOException {
        ReadCounter counter = counters.get()
                .of(layers.values().stream()
                        .mapToLong(moe ->
                                (long) moe.numExperts() * planner.operators(moe).size())
                        .sum());
        Map<Integer, Spectra> spectra = new TreeMap<>();
        for (Map.Entry<Integer, MoeSpec> layer : layers.entrySet()) {
            counter.checkStopped();
            try {
                spectra.put(layer.getKey(), spectra(layer.getKey(), layer.getValue(), counter));
            } catch (IllegalArgumentException e) {
                throw ofLayer(layer.getKey(), e);
            }
        }
        return spectra;
    }

    private Spectra spectra(int layer, MoeSpec moe, ReadCounter counter) throws IOException {
        // Made once: it reads the moments of all experts.
        Metric metric = metrics.of(layer);
        ExpertGroups groups = groups(layer, metric);
        List<ExpertOperator> operators = planner.operators(moe);
        LatentSpec.Builder latent = LatentSpec.builder().setGroups(groups).optTiedGateUp(planner.isTied(operators));
        // Spectra do not depend on latent sizes.
        operators.forEach(operator -> latent.optLatentSize(operator, 1));
        LayerFactors.Problem problem = new LayerFactors.Problem(
                moe.withLatent(latent.build()), metric, OptionalInt.empty(), 6, LayerFactors.Iterations.NONE, 1);
        Checkpoint checkpoint = metrics.checkpoint();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            return new Spectra(
                    moe,
                    groups,
                    LayerFactors.spectra(
                            manager,
                            problem,
                            CheckpointExperts.perThread(checkpoint, layer, counter),
                            workers.executor()));
        }
    }

    /**
     * What a conversion can hope for.
     *
     * @param withPlan whether to say what the method would make of the model
     */
    SpectrumReport report(String name, boolean withPlan) throws IOException {
        ModelSpec model = metrics.checkpoint().spec();
        Map<Integer, Spectra> spectra = spectra();
        Optional<ModelSpec> planned = Optional.empty();
        if (withPlan) {
            Map<Integer, Optional<LatentSpec>> latents = find(spectra);
            planned = Optional.of(model.mapLayers((i, layer) -> latents.getOrDefault(i, Optional.empty())
                    .map(latent -> (FeedForwardSpec) ((MoeSpec) layer).withLatent(latent))
                    .orElse(layer)));
        }
        return new SpectrumReport(name, model, metrics.method().weighting(), list(spectra), planned);
    }

    /** The spectra of all layers, one by one. */
    private static List<OperatorSpectrum> list(Map<Integer, Spectra> spectra) {
        List<OperatorSpectrum> list = new ArrayList<>();
        spectra.forEach((index, layer) ->
                list.addAll(OperatorSpectrum.list(index, layer.moe(), layer.groups(), layer.ofOperator())));
        return list;
    }
}
