/**
 * Text generation, on token ids: {@link ai.molae.djl.generate.Generator} continues prompts with a {@link ai.molae.djl.lm.CausalLm}, one or
 * several at once. Letters of shapes are those of {@link ai.molae.djl.lm}.
 */
@NullMarked
package ai.molae.djl.generate;

import org.jspecify.annotations.NullMarked;
