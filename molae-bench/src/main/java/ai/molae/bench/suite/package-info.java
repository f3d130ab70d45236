/** Which benchmarks run, the command that runs them, and where results go. */
@NullMarked
package ai.molae.bench.suite;

import org.jspecify.annotations.NullMarked;
