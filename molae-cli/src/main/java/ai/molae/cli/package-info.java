/** The {@code molae} command. */
@NullMarked
package ai.molae.cli;

import org.jspecify.annotations.NullMarked;
