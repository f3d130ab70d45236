/**
 * Training a language model: {@link ai.molae.djl.train.LmTrainer}, its optimizers, schedules and checkpoints, what of a model trains, and the memory
 * that a step will need. Batches are {@code [B, S]} token ids; letters are those of {@link ai.molae.djl.lm}.
 */
@NullMarked
package ai.molae.djl.train;

import org.jspecify.annotations.NullMarked;
