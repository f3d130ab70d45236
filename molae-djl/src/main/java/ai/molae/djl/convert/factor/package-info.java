/**
 * The mathematics of sharing a projection between matrices: Gram matrices, eigenvectors, least squares, groups and ranks.
 *
 * <p>Every operator of an expert is a matrix X {@code [m, n]} whose n columns are on the side of the residual stream (W of gate and up, Wᵀ of
 * down), and {@code X_i ≈ A_i B} with A {@code [m, r]} of expert i and B {@code [r, n]} of its group. The letters are those of
 * {@link ai.molae.djl.moe}; L, C and D stand for the weights of a norm, see {@link ai.molae.djl.convert.factor.Metric}.
 */
@NullMarked
package ai.molae.djl.convert.factor;

import org.jspecify.annotations.NullMarked;
