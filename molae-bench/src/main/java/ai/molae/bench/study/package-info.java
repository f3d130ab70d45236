/** Longer studies with their own mains: losses over seeds, conversion by method and size, utilisation of training steps. */
@NullMarked
package ai.molae.bench.study;

import org.jspecify.annotations.NullMarked;
