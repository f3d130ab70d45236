/** What is measured: shapes, variants, routing and data of a layer. */
@NullMarked
package ai.molae.bench.workload;

import org.jspecify.annotations.NullMarked;
