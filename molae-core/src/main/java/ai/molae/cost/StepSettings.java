package ai.molae.cost;

import ai.molae.internal.Checks;
import java.util.Objects;
import java.util.Set;

/**
 * How a model is trained, as far as the memory of a step depends on it.
 *
 * @param products the format of products and activations, FLOAT32 or BFLOAT16; parameters, gradients and the residual stream are float32
 * @param batch sequences of a pass; accumulated passes need no more
 * @param sequence tokens in each
 * @param layersPerSegment layers that are recomputed together, 0 to keep all activations
 * @param optimizerBytesPerParameter bytes of optimizer state per trained parameter: 8 for AdamW, 4 for one float32 moment, 2 for two of 8 bits,
 *     0 for SGD
 * @param trainableParameters parameters that have gradients
 * @param traits what else there is to keep
 */
public record StepSettings(
        ElementType products,
        long batch,
        long sequence,
        int layersPerSegment,
        double optimizerBytesPerParameter,
        long trainableParameters,
        Set<StepTrait> traits) {

    /**
     * Validates the fields.
     *
     * @param products the format of products and activations
     * @param batch sequences of a pass
     * @param sequence tokens in each
     * @param layersPerSegment layers that are recomputed together
     * @param optimizerBytesPerParameter bytes of optimizer state per trained parameter
     * @param trainableParameters parameters that have gradients
     * @param traits what else there is to keep
     * @throws IllegalArgumentException if a number is out of range or the format is not one that layers train in
     */
    public StepSettings {
        Objects.requireNonNull(products, "products");
        Checks.check(
                products == ElementType.FLOAT32 || products == ElementType.BFLOAT16,
                "products must be FLOAT32 or BFLOAT16, got %s",
                products);
        Checks.positive("batch", batch);
        Checks.positive("sequence", sequence);
        Checks.check(layersPerSegment >= 0, "layersPerSegment must be at least 0, got %d", layersPerSegment);
        Checks.check(
                optimizerBytesPerParameter >= 0 && Double.isFinite(optimizerBytesPerParameter),
                "optimizerBytesPerParameter must be finite and at least 0, got %s",
                optimizerBytesPerParameter);
        Checks.check(trainableParameters >= 0, "trainableParameters must be at least 0, got %d", trainableParameters);
        traits = Set.copyOf(traits);
    }

    /**
     * With another batch.
     *
     * @param other sequences of a pass
     * @return the settings
     */
    public StepSettings withBatch(long other) {
        return new StepSettings(
                products, other, sequence, layersPerSegment, optimizerBytesPerParameter, trainableParameters, traits);
    }

    /**
     * With another format of products.
     *
     * @param other FLOAT32 or BFLOAT16
     * @return the settings
     */
    public StepSettings withProducts(ElementType other) {
        return new StepSettings(
                other, batch, sequence, layersPerSegment, optimizerBytesPerParameter, trainableParameters, traits);
    }

    /**
     * With another recomputation.
     *
     * @param other layers that are recomputed together, 0 to keep all activations
     * @return the settings
     */
    public StepSettings withLayersPerSegment(int other) {
        return new StepSettings(
                products, batch, sequence, other, optimizerBytesPerParameter, trainableParameters, traits);
    }

    /**
     * With another optimizer.
     *
     * @param other bytes of optimizer state per trained parameter
     * @return the settings
     */
    public StepSettings withOptimizerBytesPerParameter(double other) {
        return new StepSettings(products, batch, sequence, layersPerSegment, other, trainableParameters, traits);
    }

    /**
     * With another length.
     *
     * @param other tokens in each sequence
     * @return the settings
     */
    public StepSettings withSequence(long other) {
        return new StepSettings(
                products, batch, other, layersPerSegment, optimizerBytesPerParameter, trainableParameters, traits);
    }

    /**
     * With other traits.
     *
     * @param other what else there is to keep
     * @return the settings
     */
    public StepSettings withTraits(Set<StepTrait> other) {
        return new StepSettings(
                products, batch, sequence, layersPerSegment, optimizerBytesPerParameter, trainableParameters, other);
    }
}
