/** {@code molae inspect}: what a checkpoint holds and costs, and how a text uses its experts. */
@NullMarked
package ai.molae.cli.inspect;

import org.jspecify.annotations.NullMarked;
