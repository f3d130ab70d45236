package ai.molae.bench.contender;

/** A layer that trains, in one implementation. The loss is the sum of its outputs plus its auxiliary loss. Not thread-safe. */
public interface Trainee extends AutoCloseable {

    /**
     * Forward and backward: gradients of all weights and of the input are complete in memory before this returns.
     *
     * @param call the number of the call: it reads input {@code call % Contender.INPUTS}
     */
    void step(int call);

    /**
     * The gradient of an input.
     *
     * @param input its number
     * @return T · n numbers, row-major
     */
    float[] inputGradient(int input);

    @Override
    void close();
}
