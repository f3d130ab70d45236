package ai.molae.bench.contender;

/** A layer in one implementation, with weights and inputs of a {@link ai.molae.bench.workload.LayerCase}. Not thread-safe. */
public interface Contender extends AutoCloseable {

    /** So many inputs a contender holds; calls go through them in turns, so that decoding does not find its experts in a cache. */
    int INPUTS = 8;

    /**
     * One inference call, whose result is complete in memory and freed before this returns.
     *
     * @param call the number of the call: it reads input {@code call % INPUTS}
     */
    void forward(int call);

    /**
     * What the layer makes of an input.
     *
     * @param input its number
     * @return T · n numbers, row-major
     */
    float[] output(int input);

    @Override
    void close();
}
