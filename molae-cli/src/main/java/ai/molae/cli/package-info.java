/** The {@code molae} command: a class for each subcommand, which reads its options and hands the work to a package of its own. */
@NullMarked
package ai.molae.cli;

import org.jspecify.annotations.NullMarked;
