/** {@code molae generate}: lets a checkpoint write. */
@NullMarked
package ai.molae.cli.generate;

import org.jspecify.annotations.NullMarked;
