/**
 * What a Mixture-of-Experts layer and a language model made of such layers <em>are</em>: immutable, validated
 * descriptions that every other package reads. Nothing here computes.
 *
 * <p>Legend of the letters used in Javadoc and as suffixes of variable names (Liu et al., <em>MoLAE</em>, arXiv
 * 2503.23100):
 *
 * <pre>
 *   T  tokens (rows of a batch after flattening)      n  hiddenSize
 *   N  numExperts                                     m  intermediateSize
 *   K  topK                                           r  latentSize
 *   G  groups of experts                              k  groupSize
 * </pre>
 *
 * Activations are {@code [T, n]}, weights {@code [out, in]}, and {@code y = x Wᵀ}.
 */
package ai.molae.spec;
