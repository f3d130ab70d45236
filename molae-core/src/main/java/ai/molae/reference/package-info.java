/**
 * The oracle: a Mixture-of-Experts layer, forward and backward, written to be read and in double precision. Every
 * kernel is tested against {@link ai.molae.reference.ReferenceMoe}; nothing here is meant to be fast.
 *
 * <p>Legend of the letters used in Javadoc and as suffixes of variable names:
 *
 * <pre>
 *   T  tokens (rows of a batch after flattening)      n  hiddenSize
 *   N  numExperts                                     m  intermediateSize
 *   K  topK                                           r  latentSize
 *   G  groups of experts                              g  group of an expert
 * </pre>
 *
 * Activations are {@code [T, n]}, weights {@code [out, in]}, and {@code y = x Wᵀ}.
 */
package ai.molae.reference;
