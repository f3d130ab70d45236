/**
 * The Mixture-of-Experts layer as a DJL Block: standard MoE, MoLAE and everything between, forward and backward.
 *
 * <p>Legend of the letters in Javadoc and variable names: T tokens, n hidden size, N experts, K experts per token, m expert width, G groups
 * of experts, R rows of a group's {@code latent_in}, r latent size (see {@link ai.molae.spec}).
 */
@NullMarked
package ai.molae.djl.moe;

import org.jspecify.annotations.NullMarked;
