/** What a run of the benchmarks left: results and where they were measured, and what follows from them. */
@NullMarked
package ai.molae.bench.results;

import org.jspecify.annotations.NullMarked;
