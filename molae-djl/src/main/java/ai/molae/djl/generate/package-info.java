/** Text generation, on token ids: {@link ai.molae.djl.generate.Generator} samples from a {@link ai.molae.djl.lm.CausalLm}. */
@NullMarked
package ai.molae.djl.generate;

import org.jspecify.annotations.NullMarked;
