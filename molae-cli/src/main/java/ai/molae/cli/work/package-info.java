/** What every command that works for a while has in common: an end by Ctrl-C, a folder that appears whole, progress. */
@NullMarked
package ai.molae.cli.work;

import org.jspecify.annotations.NullMarked;
