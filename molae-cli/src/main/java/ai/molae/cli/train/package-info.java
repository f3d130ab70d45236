/** {@code molae train} and {@code molae resume}: a run in a folder of its own, of a new model or of a checkpoint trained further. */
@NullMarked
package ai.molae.cli.train;

import org.jspecify.annotations.NullMarked;
