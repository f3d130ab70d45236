/** {@code molae generate}: lets a checkpoint continue texts or answer. */
@NullMarked
package ai.molae.cli.generate;

import org.jspecify.annotations.NullMarked;
