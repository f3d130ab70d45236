package ai.molae.cost;

import ai.molae.internal.Checks;

/**
 * Memory of a training step, in bytes.
 *
 * @param weights the weights, and correction biases (float32)
 * @param gradients one gradient per trained weight, in the weights' format
 * @param optimizer AdamW: two float32 moments per trained weight, and a float32 master copy unless the weights are
 *     float32 themselves
 * @param activations what stays in memory between forward and backward
 */
public record TrainingBytes(long weights, long gradients, long optimizer, double activations) {

    /**
     * All of it.
     *
     * @return the sum in bytes
     */
    public double total() {
        return (double) weights + gradients + optimizer + activations;
    }

    static long gradients(long trainableParameters, ElementType weights) {
        ElementType.checkTrainable(weights);
        return Math.multiplyExact(trainableParameters, weights.bytes());
    }

    static long optimizer(long trainableParameters, ElementType weights) {
        ElementType.checkTrainable(weights);
        int statesPerWeight = weights == ElementType.FLOAT32 ? 2 : 3;
        return Checks.product(trainableParameters, statesPerWeight, ElementType.FLOAT32.bytes());
    }
}
