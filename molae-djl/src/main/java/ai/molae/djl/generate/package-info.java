/**
 * Text generation, on token ids: {@link ai.molae.djl.generate.Generator} continues prompts with a {@link ai.molae.djl.lm.CausalLm}, one or
 * several at once.
 */
@NullMarked
package ai.molae.djl.generate;

import org.jspecify.annotations.NullMarked;
