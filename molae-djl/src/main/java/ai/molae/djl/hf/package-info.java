/**
 * Checkpoints in Hugging Face's layout: {@link ai.molae.djl.hf.CheckpointConfig} is a {@code config.json},
 * {@link ai.molae.djl.hf.ModelFamily} one of the architectures it can name, {@link ai.molae.djl.hf.TensorBinding} where a parameter lies
 * among the tensors of the files. Letters of shapes are those of {@link ai.molae.djl.moe} and {@link ai.molae.djl.lm}.
 */
@NullMarked
package ai.molae.djl.hf;

import org.jspecify.annotations.NullMarked;
