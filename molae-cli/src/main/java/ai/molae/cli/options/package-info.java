/** Flags that several commands share, and the checks of their values. */
@NullMarked
package ai.molae.cli.options;

import org.jspecify.annotations.NullMarked;
