package ai.molae.djl.hf;

import ai.molae.djl.files.Shown;
import ai.molae.djl.files.SmallText;
import ai.molae.spec.ModelSpec;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.Strictness;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The {@code config.json} of a checkpoint in Hugging Face's layout: the model it describes, and what else a reader of the files needs to know.
 * What it cannot understand it refuses; see docs/checkpoints.md for the families and keys. Immutable.
 *
 * <pre>{@code
 * CheckpointConfig config = CheckpointConfig.read(folder);
 * ModelSpec spec = config.spec();
 * List<TensorBinding> bindings = config.bindings(tensorNames);
 *
 * CheckpointConfig saved = config.with(molaeSpec, "bfloat16");
 * Files.writeString(file, saved.toJson());
 * }</pre>
 */
public final class CheckpointConfig {

    /** Its name in a folder. */
    public static final String FILE = "config.json";

    private static final Gson GSON = new GsonBuilder()
            .setPrettyPrinting()
            .disableHtmlEscaping()
            .serializeNulls()
            .setStrictness(Strictness.STRICT)
            .create();
    private static final Pattern LAYER = Pattern.compile("model\\.layers\\.(\\d{1,9})\\..*");
    private final JsonObject json;
    private final ModelFamily family;
    private final ModelSpec spec;
    private final Optional<BlockQuantization> quantization;
    private final Optional<String> dtype;
    private final List<Integer> bosTokenIds;
    private final List<Integer> eosTokenIds;
    private final List<Integer> padTokenIds;
    private final int predictLayers;

    private CheckpointConfig(JsonObject json) {
        this.json = json;
        ConfigKeys keys = new ConfigKeys("", json);
        family = ModelFamily.ofModelType(keys.string("model_type")
                .orElseThrow(() -> new IllegalArgumentException(
                        "missing key model_type in config.json; known are " + Families.modelTypes())));
        quantization = keys.object("quantization_config").map(BlockQuantization::read);
        dtype = keys.string("dtype", "torch_dtype");
        bosTokenIds = keys.integerOrIntegers("bos_token_id");
        eosTokenIds = keys.integerOrIntegers("eos_token_id");
        padTokenIds = keys.integerOrIntegers("pad_token_id");
        predictLayers = keys.count("num_nextn_predict_layers", 0);
        spec = family.spec(json);
    }

    /**
     * Reads the file of a folder.
     *
     * @param folder the checkpoint
     * @return the config
     * @throws IOException if the file cannot be read
     * @throws IllegalArgumentException if it does not describe a model that molae has; the message names the file, key and value
     */
    public static CheckpointConfig read(Path folder) throws IOException {
        return read(folder, CheckpointConfig::parse);
    }

    /** Reads the file of a folder; faults name it. */
    static <T> T read(Path folder, Function<String, T> parser) throws IOException {
        Path file = folder.resolve(FILE);
        try {
            return parser.apply(SmallText.read(file, SmallText.SETTINGS));
        } catch (NoSuchFileException e) {
            throw new NoSuchFileException(
                    file.toString(), null, "a checkpoint is a folder with " + FILE + " and safetensors files");
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(file + ": is not text in UTF-8", e);
        } catch (IllegalArgumentException e) {
            String message = Shown.message(e.getMessage());
            throw new IllegalArgumentException(message.startsWith(file + " ") ? message : file + ": " + message, e);
        }
    }

    /**
     * Reads the text of a file.
     *
     * @param json the text
     * @return the config
     * @throws IllegalArgumentException if it is not JSON or does not describe a model that molae has; the message names key and value
     */
    public static CheckpointConfig parse(String json) {
        return new CheckpointConfig(PythonJson.parse(json));
    }

    /**
     * The config of a model that came from no file, in the family {@link ModelFamily#of} finds.
     *
     * @param spec the model
     * @param dtype the element type of the tensors, such as float32
     * @return the config
     */
    public static CheckpointConfig of(ModelSpec spec, String dtype) {
        return new CheckpointConfig(ModelFamily.of(spec).write(spec, new JsonObject(), dtype));
    }

    /**
     * The config to save a changed model with: this file with the keys that have changed, if its family can express the model, else one of
     * another family.
     *
     * @param changed the model
     * @param dtype the element type of the tensors, such as bfloat16
     * @return the config
     */
    public CheckpointConfig with(ModelSpec changed, String dtype) {
        try {
            return new CheckpointConfig(family.write(changed, json, dtype));
        } catch (IllegalArgumentException e) {
            return new CheckpointConfig(ModelFamily.of(changed).write(changed, json, dtype));
        }
    }

    /**
     * All keys of the file.
     *
     * @return a copy
     */
    public JsonObject json() {
        return json.deepCopy();
    }

    /**
     * The text of the file.
     *
     * @return indented JSON
     */
    public String toJson() {
        return GSON.toJson(json) + "\n";
    }

    /**
     * The architecture.
     *
     * @return {@code model_type}
     */
    public String modelType() {
        return json.get("model_type").getAsString();
    }

    /**
     * What the architecture means.
     *
     * @return the family
     */
    public ModelFamily family() {
        return family;
    }

    /**
     * The model.
     *
     * @return its spec
     */
    public ModelSpec spec() {
        return spec;
    }

    /**
     * The element type the file names; every tensor names its own besides.
     *
     * @return {@code torch_dtype} or {@code dtype}, such as bfloat16
     */
    public Optional<String> dtype() {
        return dtype;
    }

    /**
     * The tokens a text begins with.
     *
     * @return {@code bos_token_id}; empty if it is absent or null
     */
    public List<Integer> bosTokenIds() {
        return bosTokenIds;
    }

    /**
     * The tokens a text ends with.
     *
     * @return {@code eos_token_id}; empty if it is absent or null
     */
    public List<Integer> eosTokenIds() {
        return eosTokenIds;
    }

    /**
     * The tokens that fill up a batch.
     *
     * @return {@code pad_token_id}; empty if it is absent or null
     */
    public List<Integer> padTokenIds() {
        return padTokenIds;
    }

    /**
     * How the weights are quantised.
     *
     * @return {@code quantization_config}; empty if they are not
     */
    public Optional<BlockQuantization> quantization() {
        return quantization;
    }

    /**
     * Where the parameters lie, see {@link ModelFamily#bindings(ModelSpec, Set)}.
     *
     * @param present the names of the checkpoint's tensors
     * @return one binding per parameter
     */
    public List<TensorBinding> bindings(Set<String> present) {
        return family.bindings(spec, present);
    }

    /**
     * Whether a tensor is deliberately not loaded: cached frequencies of RoPE, layers for multi-token prediction, a head that is tied
     * ({@link #isTiedHead}), and the empty shared experts of a Qwen2-MoE without any.
     *
     * @param tensor its name
     * @return true if it may be there, and no parameter reads it
     */
    public boolean ignores(String tensor) {
        return family.ignores(spec, tensor) || isPredictLayer(tensor) || isTiedHead(tensor);
    }

    private boolean isPredictLayer(String tensor) {
        Matcher layer = LAYER.matcher(tensor);
        if (!layer.matches()) {
            return false;
        }
        int index = Integer.parseInt(layer.group(1));
        return index >= spec.numLayers() && index - spec.numLayers() < predictLayers;
    }

    /**
     * Whether a tensor is the head of a model that uses its embedding instead. Files may contain it, and it should equal the embedding: a
     * reader can check that.
     *
     * @param tensor its name
     * @return true for {@code lm_head.weight} where {@code tie_word_embeddings} is true
     */
    public boolean isTiedHead(String tensor) {
        return spec.tieWordEmbeddings() && tensor.equals("lm_head.weight");
    }
}
