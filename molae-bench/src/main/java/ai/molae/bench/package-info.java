/**
 * Benchmarks of molae: against the machine's limits, the cost model and other implementations, side by side in one run.
 *
 * <p>Legend of the letters in Javadoc and variable names, in every package of this module:
 *
 * <pre>
 *   T  tokens (rows of a batch after flattening)      n  hidden size
 *   N  experts                                        m  width of an expert
 *   K  experts chosen for a token                     r  latent size
 *   G  groups of experts                              k  experts of a group
 * </pre>
 */
@NullMarked
package ai.molae.bench;

import org.jspecify.annotations.NullMarked;
