package ai.molae.djl.convert;

import java.util.OptionalDouble;

/**
 * How far the factored matrices of an operator of a layer are from the original ones, before own factors are rounded to the type of the file.
 *
 * @param latentSize r
 * @param relativeError {@code sqrt(Σ_i ‖W_i − W'_i‖² / Σ_i ‖W_i‖²)}, Frobenius
 * @param weightedError the same in the norm the method minimises; empty for a method without weights, and where least squares over each expert's own
 *     moments or training went on from there
 */
public record OperatorError(int latentSize, double relativeError, OptionalDouble weightedError) {}
