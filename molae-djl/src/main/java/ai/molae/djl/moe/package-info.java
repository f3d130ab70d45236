/**
 * The Mixture-of-Experts layer as a DJL Block: standard MoE, MoLAE and everything between, forward and backward.
 * {@link ai.molae.djl.moe.MoeBlock} is the layer; what its router does, {@link ai.molae.djl.moe.RouterMonitor} tells.
 *
 * <p>Legend of the letters in Javadoc and variable names, in every package of this module that does not say otherwise:
 *
 * <pre>
 *   T  tokens (rows of a batch after flattening)      n  hidden size
 *   N  experts                                        m  width of an expert
 *   K  experts chosen for a token                     r  latent size
 *   G  groups of experts                              k  experts of a group
 *   R  rows of a group's latent_in: r if gate and up are tied, else r_gate + r_up of those that are factored
 * </pre>
 *
 * Activations are {@code [T, n]}, weights {@code [out, in]}, stacks of experts {@code [N, out, in]}, and {@code y = x Wᵀ}. The same letters,
 * and more of them, are in {@link ai.molae.spec} and {@link ai.molae.cost}.
 */
@NullMarked
package ai.molae.djl.moe;

import org.jspecify.annotations.NullMarked;
