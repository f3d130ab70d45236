/** One process that does everything over and over, and whether it then holds more than it did before: a main of its own. */
@NullMarked
package ai.molae.bench.soak;

import org.jspecify.annotations.NullMarked;
