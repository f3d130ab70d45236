/** Implementations of one layer behind one interface: molae's and its peers'. */
@NullMarked
package ai.molae.bench.contender;

import org.jspecify.annotations.NullMarked;
