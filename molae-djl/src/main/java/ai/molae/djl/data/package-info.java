/**
 * Text and tokens: tokenizers, their own and those of checkpoints, streaming decoding, chat templates; corpora and packed windows for
 * training.
 */
@NullMarked
package ai.molae.djl.data;

import org.jspecify.annotations.NullMarked;
