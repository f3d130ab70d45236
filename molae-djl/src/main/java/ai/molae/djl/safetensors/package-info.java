/**
 * Checkpoints in the safetensors format, read and written without DJL: {@link ai.molae.djl.safetensors.SafetensorsFolder} reads what Hugging
 * Face saves, {@link ai.molae.djl.safetensors.SafetensorsWriter} writes it. Tensor data never lies on the Java heap, and no array of a
 * tensor's size is made. What is wrong with a file is a {@link ai.molae.djl.safetensors.SafetensorsException}.
 */
@NullMarked
package ai.molae.djl.safetensors;

import org.jspecify.annotations.NullMarked;
