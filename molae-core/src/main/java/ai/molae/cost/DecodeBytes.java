package ai.molae.cost;

/**
 * Bytes a decoding step reads from memory.
 *
 * @param weights the weights the step touches: all but the experts and projections that no token of the batch needs,
 *     and of the embedding one row per token
 * @param cache the keys and values of the positions already there, of the whole batch
 */
public record DecodeBytes(double weights, double cache) {

    /**
     * All of it.
     *
     * @return the sum in bytes
     */
    public double total() {
        return weights + cache;
    }
}
