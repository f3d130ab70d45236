/**
 * Decoder-only language models of {@link ai.molae.djl.moe.MoeBlock MoE layers} as DJL Blocks: embedding, grouped-query attention, RMSNorm,
 * dense feed-forward layers, key/value cache and loss.
 *
 * <p>Legend of the letters in Javadoc and variable names: B sequences, S tokens of each, n hidden size, H query heads, G key/value heads,
 * d width of a head, m feed-forward width, V vocabulary size, N experts.
 *
 * <p>The residual stream, norms, logits and all parameters are float32; with {@link ai.molae.djl.torch.Precision#BFLOAT16} products run in
 * bfloat16. Matrices are parameters of type WEIGHT, norm weights GAMMA and biases BIAS, so that an optimizer can tell what to decay.
 */
@NullMarked
package ai.molae.djl.lm;

import org.jspecify.annotations.NullMarked;
