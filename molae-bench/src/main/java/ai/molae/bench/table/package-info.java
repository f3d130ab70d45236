/** The speed of a checkpoint in one table, test by test, as llama.cpp's llama-bench prints it. */
@NullMarked
package ai.molae.bench.table;

import org.jspecify.annotations.NullMarked;
