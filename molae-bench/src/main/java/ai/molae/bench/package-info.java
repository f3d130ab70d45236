/** Benchmarks of molae's kernels: against the machine's limits, the cost model and other implementations, side by side in one run. */
@NullMarked
package ai.molae.bench;

import org.jspecify.annotations.NullMarked;
