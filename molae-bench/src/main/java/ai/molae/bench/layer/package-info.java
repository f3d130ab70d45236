/** JMH benchmarks of a single layer: inference, training, routing. */
@NullMarked
package ai.molae.bench.layer;

import org.jspecify.annotations.NullMarked;
