package ai.molae.djl.hf;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.safetensors.SafetensorsFolder;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.Adapters;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.PreparableBlock;
import ai.molae.djl.torch.Telemetry;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder as Hugging Face's library writes it, {@code config.json} and safetensors files, and the model in it:
 *
 * <pre>{@code
 * try (NDManager manager = NDManager.newBaseManager();
 *         Checkpoint checkpoint = Checkpoint.open(folder)) {
 *     CausalLm model = checkpoint.loadForInference(manager, Precision.BFLOAT16);   // or load(manager, Precision.FLOAT32) to train it
 *     int[] text = new Generator(model).generate(prompt, Sampling.greedy(100));
 * }
 * }</pre>
 *
 * <p>Opening reads the config and the headers of the files only, and checks that every tensor is used exactly once and every parameter filled
 * exactly once: otherwise one {@link IllegalArgumentException} lists all missing, unexpected and misshaped tensors. Loading streams: native
 * memory holds the model in its target precision, a chunk of {@link ai.molae.djl.torch.WeightSource#CHUNK_BYTES} and, if it is larger than
 * that, the largest matrix. Which families there are is written in docs/checkpoints.md.
 *
 * <p>Not thread-safe. Close it after loading; models stay.
 */
public final class Checkpoint implements AutoCloseable {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    private static final Logger LOG = LoggerFactory.getLogger(Checkpoint.class);

    private final Path folder;
    private final CheckpointConfig config;
    private final SafetensorsFolder tensors;
    private final List<TensorBinding> bindings;
    private Consumer<Progress> listener = progress -> {};

    /**
     * How far loading has come.
     *
     * @param elements parameters loaded so far
     * @param total parameters of the model
     */
    public record Progress(long elements, long total) {}

    private Checkpoint(Path folder, CheckpointConfig config, SafetensorsFolder tensors) {
        this.folder = folder;
        this.config = config;
        this.tensors = tensors;
        bindings = config.bindings(tensors.tensors().keySet());
        TensorNames.check(folder, bindings, tensors, config.quantization().isPresent(), config::ignores);
    }

    /**
     * Opens a folder.
     *
     * @param folder has {@code config.json} and {@code model.safetensors}, or shards with {@code model.safetensors.index.json}
     * @return the checkpoint, the caller's to close
     * @throws IOException if a file is missing, cannot be read or is malformed
     * @throws IllegalArgumentException if the config describes no model that molae has, or the tensors are not those of its model
     */
    public static Checkpoint open(Path folder) throws IOException {
        CheckpointConfig config = CheckpointConfig.read(folder);
        SafetensorsFolder tensors = openTensors(folder, config);
        try {
            return new Checkpoint(folder, config, tensors);
        } catch (RuntimeException e) {
            tensors.close();
            throw e;
        }
    }

    private static SafetensorsFolder openTensors(Path folder, CheckpointConfig config) throws IOException {
        return config.quantization().isPresent()
                ? SafetensorsFolder.open(
                        folder,
                        config.quantization().get().rows(),
                        config.quantization().get().columns())
                : SafetensorsFolder.open(folder);
    }

    /**
     * Where it is.
     *
     * @return the folder
     */
    public Path folder() {
        return folder;
    }

    /**
     * What {@code config.json} says.
     *
     * @return the config
     */
    public CheckpointConfig config() {
        return config;
    }

    /**
     * The model.
     *
     * @return its spec
     */
    public ModelSpec spec() {
        return config.spec();
    }

    /**
     * The element type of its weights.
     *
     * @return what the config says, or else the type that most of them have; F32, BF16 or F16
     */
    public TensorType prevailingType() {
        return CheckpointSaver.typeOf(this);
    }

    /**
     * The files.
     *
     * @return the tensors; closed with the checkpoint
     */
    public SafetensorsFolder tensors() {
        return tensors;
    }

    /**
     * Tells how far loading has come, after every chunk, on the loading thread.
     *
     * @param listener is told
     * @return this checkpoint
     */
    public Checkpoint onProgress(Consumer<Progress> listener) {
        this.listener = listener;
        return this;
    }

    /**
     * Loads a model to train, or to do anything else with: its parameters are float32 arrays.
     *
     * @param manager will own the parameters; its device is the model's
     * @param precision the arithmetic of the products, {@link Precision#FLOAT32} or {@link Precision#BFLOAT16}
     * @return an initialised model
     * @throws UncheckedIOException if reading fails; the manager then owns what was loaded so far
     */
    public CausalLm load(NDManager manager, Precision precision) {
        return load(spec(), manager, precision);
    }

    /**
     * Loads the parameters into a new model of another spec that has the same ones: with other auxiliary losses, or another capacity of
     * the experts, for instance.
     *
     * @param spec the model
     * @param manager will own the parameters; its device is the model's
     * @param precision the arithmetic of the products, {@link Precision#FLOAT32} or {@link Precision#BFLOAT16}
     * @return an initialised model
     * @throws IllegalArgumentException if the parameters of the model are others than those of the checkpoint
     * @throws UncheckedIOException if reading fails; the manager then owns what was loaded so far
     */
    public CausalLm load(ModelSpec spec, NDManager manager, Precision precision) {
        CausalLm model =
                CausalLm.builder().setSpec(spec).optPrecision(precision).build();
        Map<String, Parameter> parameters = model.parametersByPath();
        checkParameters(parameters);
        TensorSource source = source(parameters);
        warnOfUntiedHead();
        parameters.values().forEach(parameter -> source.fill(manager, parameter));
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        return model;
    }

    /**
     * Loads one decoder layer by itself, so that a model can be gone through without standing in memory.
     *
     * @param index which of the model's layers, from 0
     * @param manager will own the parameters; its device is the layer's
     * @param precision the arithmetic of the products, {@link Precision#FLOAT32} or {@link Precision#BFLOAT16}
     * @return an initialised layer
     * @throws IndexOutOfBoundsException if there is no such layer
     * @throws UncheckedIOException if reading fails; the manager then owns what was loaded so far
     */
    public DecoderLayer loadLayer(int index, NDManager manager, Precision precision) {
        Objects.checkIndex(index, spec().numLayers());
        DecoderLayer layer = new DecoderLayer(spec(), index, precision);
        Map<String, Parameter> byPath = new LinkedHashMap<>();
        layer.parametersByPath().forEach((path, parameter) -> byPath.put("layers." + index + "." + path, parameter));
        WeightSource source = weights(byPath);
        byPath.values().forEach(parameter -> source.fill(manager, parameter));
        layer.initialize(manager, DataType.FLOAT32, new Shape(1, 1, spec().hiddenSize()));
        return layer;
    }

    /**
     * Loads the values into a model that there is, in place: arrays, gradients and what trains stay.
     *
     * @param model an initialised model with the spec of this checkpoint; adapters are left alone
     * @throws IllegalArgumentException if its parameters are others than those of the checkpoint; it is unchanged then
     * @throws UncheckedIOException if reading fails; the model then has some values of each
     */
    public void loadInto(CausalLm model) {
        Map<String, Parameter> parameters = new LinkedHashMap<>(model.parametersByPath());
        parameters.keySet().removeIf(Adapters::isAdapter);
        checkParameters(parameters);
        TensorSource source = source(parameters);
        try (NDManager manager = NDManager.newBaseManager(model.device(), "PyTorch")) {
            parameters.values().forEach(parameter -> source.fill(manager, parameter));
        }
    }

    private void checkParameters(Map<String, Parameter> parameters) {
        Map<String, Long> sizes = new TreeMap<>();
        parameters.forEach(
                (path, parameter) -> sizes.put(path, parameter.getShape().size()));
        Map<String, Long> here = new TreeMap<>();
        bindings.forEach(binding -> here.put(binding.parameter(), binding.size()));
        if (!sizes.equals(here)) {
            throw new IllegalArgumentException(folder + " has the parameters " + here + ", the model " + sizes);
        }
    }

    /**
     * Loads a model for inference, packed as {@link PreparableBlock#prepareForInference(Precision)} does, without ever holding it in float32.
     *
     * @param manager will own the weights; its device is the model's
     * @param precision how to store the weights
     * @return a model that infers only
     * @throws IllegalArgumentException if a weight does not fit the precision; the manager then owns what was loaded so far
     * @throws UncheckedIOException if reading fails; the manager then owns what was loaded so far
     */
    public CausalLm loadForInference(NDManager manager, Precision precision) {
        Precision trainable = precision.isTrainable() ? precision : Precision.FLOAT32;
        CausalLm model =
                CausalLm.builder().setSpec(spec()).optPrecision(trainable).build();
        warnOfUntiedHead();
        model.prepareForInference(manager, source(model.parametersByPath()), precision);
        return model;
    }

    /** What the config of a Nemotron-H says of its MoE layers. */
    private record NemotronLayers(MoeSpec spec, List<Integer> indices) {

        static NemotronLayers parse(String json) {
            JsonObject config = NemotronLatentMoe.parse(json);
            return new NemotronLayers(NemotronLatentMoe.spec(config), NemotronLatentMoe.layers(config));
        }
    }

    private TensorSource source(Map<String, Parameter> byPath) {
        Map<Parameter, TensorBinding> bound = new HashMap<>();
        for (TensorBinding binding : bindings) {
            Parameter parameter = byPath.get(binding.parameter());
            if (parameter == null || parameter.getShape().size() != binding.size()) {
                throw new IllegalStateException("tensor names of " + binding.parameter() + " have " + binding.size()
                        + " elements, the model's parameter is " + parameter);
            }
            bound.put(parameter, binding);
        }
        if (bound.size() != byPath.size()) {
            throw new IllegalStateException(
                    "tensor names of " + bound.size() + " parameters, the model has " + byPath.keySet());
        }
        return new TensorSource(tensors, bound, listener);
    }

    /**
     * The values of some parameters, decoded to float32 when they are asked for.
     *
     * @param byPath parameters of known shape by their path in the model, {@link CausalLm#parametersByPath}
     * @return a source for these parameters, for one thread; it reads from this checkpoint's files, which must be open
     * @throws IllegalArgumentException if the checkpoint has no parameter of a path, or one of another size
     */
    public WeightSource weights(Map<String, Parameter> byPath) {
        Map<String, TensorBinding> bindingOf = new HashMap<>();
        bindings.forEach(binding -> bindingOf.put(binding.parameter(), binding));
        Map<Parameter, TensorBinding> bound = new HashMap<>();
        byPath.forEach((path, parameter) -> {
            TensorBinding binding = bindingOf.get(path);
            if (binding == null || parameter.getShape().size() != binding.size()) {
                throw new IllegalArgumentException(folder + " has "
                        + (binding == null ? "no parameter " + path : path + " of " + binding.size() + " elements")
                        + ", asked for " + path + " " + parameter.getShape());
            }
            bound.put(parameter, binding);
        });
        return new TensorSource(tensors, bound, listener);
    }

    private void warnOfUntiedHead() {
        String head = tensors.tensors().keySet().stream()
                .filter(config::isTiedHead)
                .findFirst()
                .orElse("");
        if (!head.isEmpty() && !TensorSource.sameStart(tensors, head, "model.embed_tokens.weight")) {
            LOG.warn(
                    "{}: {} differs from the embedding, but config.json says tie_word_embeddings; the embedding is used, as everywhere",
                    folder,
                    head);
        }
    }

    /**
     * Loads one LatentMoE layer of a Nemotron-H checkpoint, whose other layers molae does not have.
     *
     * @param folder the checkpoint
     * @param layer which of {@link NemotronLatentMoe#layers}
     * @param manager will own the parameters; its device is the layer's
     * @param precision the arithmetic of the products
     * @return an initialised layer
     * @throws IOException if a file is missing, cannot be read or is malformed
     * @throws IllegalArgumentException if the layer is no MoE layer, or its tensors do not fit the config
     */
    public static MoeBlock loadNemotronLayer(Path folder, int layer, NDManager manager, Precision precision)
            throws IOException {
        NemotronLayers layers = CheckpointConfig.read(folder, NemotronLayers::parse);
        if (!layers.indices().contains(layer)) {
            throw new IllegalArgumentException(
                    "layer " + layer + " of " + folder + " is no MoE layer; those are " + layers.indices());
        }
        MoeSpec spec = layers.spec();
        MoeBlock block =
                MoeBlock.builder().setSpec(spec).optPrecision(precision).build();
        try (SafetensorsFolder tensors = SafetensorsFolder.open(folder)) {
            List<TensorBinding> bindings =
                    NemotronLatentMoe.bindings(spec, layer, tensors.tensors().keySet());
            // The layers for multi-token prediction, mtp.layers., have numbers of their own.
            String own = "layers." + layer + ".mixer.";
            TensorNames.check(
                    folder,
                    bindings,
                    tensors,
                    false,
                    name -> !name.startsWith("backbone." + own) && !name.startsWith("model." + own));
            Map<Parameter, TensorBinding> bound = new HashMap<>();
            bindings.forEach(binding -> bound.put(block.getDirectParameters().get(binding.parameter()), binding));
            TensorSource source = new TensorSource(tensors, bound, progress -> {});
            block.getDirectParameters().values().forEach(parameter -> source.fill(manager, parameter));
            block.initialize(manager, DataType.FLOAT32, new Shape(1, spec.hiddenSize()));
        }
        return block;
    }

    /** Closes the files. Models that were loaded stay. */
    @Override
    public void close() throws IOException {
        tensors.close();
    }
}
