/** {@code molae tokenize}: texts and JSON lines become tokens on the disk, whole or not at all. */
@NullMarked
package ai.molae.cli.tokenize;

import org.jspecify.annotations.NullMarked;
