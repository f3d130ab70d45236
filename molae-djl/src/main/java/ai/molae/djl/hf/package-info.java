/**
 * Checkpoints in Hugging Face's layout: {@link ai.molae.djl.hf.CheckpointConfig} is a {@code config.json},
 * {@link ai.molae.djl.hf.ModelFamily} one of the architectures it can name, {@link ai.molae.djl.hf.TensorBinding} where a parameter lies
 * among the tensors of the files.
 */
@NullMarked
package ai.molae.djl.hf;

import org.jspecify.annotations.NullMarked;
