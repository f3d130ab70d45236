/** What is measured beside time: memory, ceilings of the machine, operators. */
@NullMarked
package ai.molae.bench.measure;

import org.jspecify.annotations.NullMarked;
