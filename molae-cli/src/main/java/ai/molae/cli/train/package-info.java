/** {@code molae train}: fine-tunes a checkpoint. */
@NullMarked
package ai.molae.cli.train;

import org.jspecify.annotations.NullMarked;
