/** {@code molae inspect}: what a checkpoint holds and costs. */
@NullMarked
package ai.molae.cli.inspect;

import org.jspecify.annotations.NullMarked;
