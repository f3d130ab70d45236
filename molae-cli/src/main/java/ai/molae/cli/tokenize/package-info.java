/** {@code molae tokenize}. */
@NullMarked
package ai.molae.cli.tokenize;

import org.jspecify.annotations.NullMarked;
