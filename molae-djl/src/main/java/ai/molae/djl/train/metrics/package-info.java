/**
 * What can be seen of a training run: {@link ai.molae.djl.train.metrics.MetricsFile} writes JSON lines, {@link
 * ai.molae.djl.train.metrics.TensorBoardFile} what TensorBoard reads, and {@link ai.molae.djl.train.metrics.TrainingReport} a page with curves
 * and heat maps out of the former.
 */
@NullMarked
package ai.molae.djl.train.metrics;

import org.jspecify.annotations.NullMarked;
