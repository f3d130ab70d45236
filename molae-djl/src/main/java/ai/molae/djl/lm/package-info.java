/**
 * Decoder-only language models of {@link ai.molae.djl.moe.MoeBlock MoE layers} as DJL Blocks: embedding, grouped-query and latent attention,
 * RMSNorm, dense feed-forward layers, key/value cache, adapters and loss.
 *
 * <p>Legend of the letters in Javadoc and variable names, where they differ from those of {@link ai.molae.djl.moe}:
 *
 * <pre>
 *   B  sequences                                      H  query heads
 *   S  tokens of each                                 G  key/value heads
 *   V  vocabulary size                                d  width of a head
 *   n  hidden size                                    m  width of a feed-forward network
 * </pre>
 *
 * <p>The residual stream, norms, logits and all parameters are float32; with {@link ai.molae.djl.torch.Precision#BFLOAT16} products run in
 * bfloat16. Matrices are parameters of type WEIGHT, norm weights GAMMA and biases BIAS, so that an optimizer can tell what to decay.
 */
@NullMarked
package ai.molae.djl.lm;

import org.jspecify.annotations.NullMarked;
