/** Specs as JSON, in the vocabulary of Hugging Face's {@code config.json} where it has a word. */
@NullMarked
package ai.molae.djl.json;

import org.jspecify.annotations.NullMarked;
