/** Text and tokens for training: corpora, tokenizers and packed windows. */
@NullMarked
package ai.molae.djl.data;

import org.jspecify.annotations.NullMarked;
