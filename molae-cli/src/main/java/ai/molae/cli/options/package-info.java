/** Flags and checks that commands share. */
@NullMarked
package ai.molae.cli.options;

import org.jspecify.annotations.NullMarked;
