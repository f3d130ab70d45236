package ai.molae.djl.hf;

import ai.molae.spec.ModelSpec;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Set;

/**
 * An architecture that a {@code config.json} can name: what its keys mean, how a model is written in them, and what its tensors are called.
 * Layers of any family may have factored experts; the file then has a {@code molae} section (see docs/checkpoints.md). Immutable.
 */
public interface ModelFamily {

    /**
     * The families, published ones first.
     *
     * @return all of them
     */
    static List<ModelFamily> all() {
        return Families.ALL;
    }

    /**
     * The family of a file.
     *
     * @param modelType its {@code model_type}
     * @return the family
     * @throws IllegalArgumentException if none has this type; the message lists those there are
     */
    static ModelFamily ofModelType(String modelType) {
        return Families.ofModelType(modelType);
    }

    /**
     * The family to save a model in: the first that can express it to the letter, so that other software can read the file; molae's own
     * family, which can express everything, if no other can.
     *
     * @param spec the model
     * @return the family
     */
    static ModelFamily of(ModelSpec spec) {
        return Families.of(spec);
    }

    /**
     * The values of {@code model_type} that name this family.
     *
     * @return the types, the one to write first
     */
    List<String> modelTypes();

    /**
     * What a file says.
     *
     * @param config the file
     * @return the model
     * @throws IllegalArgumentException if a key that decides a size is missing, two spellings of an option disagree, an option is unknown or
     *     not implemented, or the numbers do not fit together; the message names key and value
     */
    ModelSpec spec(JsonObject config);

    /**
     * The file of a model: keys that the spec decides are set, in the spelling the original uses; other keys stay, except that
     * {@code quantization_config} goes and {@code num_nextn_predict_layers} becomes 0.
     *
     * @param spec the model
     * @param original the file it came from, not changed; an object without keys if there is none. Of another family's file only the token
     *     ids are kept
     * @param dtype the element type of the tensors, such as bfloat16
     * @return a new object, which {@link #spec} reads as exactly this model
     * @throws IllegalArgumentException if this family cannot express the model; the message names the field
     */
    JsonObject write(ModelSpec spec, JsonObject original, String dtype);

    /**
     * Where the parameters lie in a checkpoint. Experts may stand one by one or stacked, whichever is present, layer by layer.
     *
     * @param spec the model
     * @param present the names of the checkpoint's tensors
     * @return one binding per parameter, first layer first; where neither layout is present, expert by expert
     * @throws IllegalArgumentException if the model has more experts than any model has
     */
    List<TensorBinding> bindings(ModelSpec spec, Set<String> present);

    /**
     * Where to save the parameters: experts one by one, under the names of published checkpoints.
     *
     * @param spec the model
     * @return one binding per parameter, first layer first
     * @throws IllegalArgumentException if the model has more experts than any model has
     */
    default List<TensorBinding> bindings(ModelSpec spec) {
        return bindings(spec, Set.of());
    }

    /**
     * Whether a tensor is saved in float32 whatever the element type of the others: the bias that corrects routing, whose steps bfloat16 would
     * lose.
     *
     * @param tensor its name
     * @return true for {@code e_score_correction_bias}
     */
    default boolean keepsFloat32(String tensor) {
        return tensor.endsWith("e_score_correction_bias");
    }

    /**
     * Whether a tensor that published checkpoints contain has no part in a model of this family.
     *
     * @param spec the model
     * @param tensor its name
     * @return true if it is to be passed over
     */
    default boolean ignores(ModelSpec spec, String tensor) {
        return tensor.endsWith("rotary_emb.inv_freq");
    }
}
