/** Checkpoints, tokenizers and texts as the commands that use a real model need them. */
@NullMarked
package ai.molae.cli.model;

import org.jspecify.annotations.NullMarked;
