/**
 * Access to all of libtorch from DJL: TorchScript written in memory, gradient mode and the gradient tape, who computes products and in which
 * precision, weights packed for inference, native memory figures. Nothing here knows of experts; letters of shapes are those of
 * {@link ai.molae.djl.moe}.
 */
@NullMarked
package ai.molae.djl.torch;

import org.jspecify.annotations.NullMarked;
