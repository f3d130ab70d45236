/** JMH benchmarks of whole models, of loading and of conversion. */
@NullMarked
package ai.molae.bench.model;

import org.jspecify.annotations.NullMarked;
