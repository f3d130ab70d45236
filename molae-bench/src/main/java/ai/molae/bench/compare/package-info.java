/** Two results, or several pairs of them, side by side, with regressions marked. */
@NullMarked
package ai.molae.bench.compare;

import org.jspecify.annotations.NullMarked;
