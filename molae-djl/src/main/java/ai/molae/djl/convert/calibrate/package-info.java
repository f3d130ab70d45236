/**
 * What text shows of the experts of a model: how often they are chosen, together with whom, and the second moments of what they read and
 * compute, streamed through a checkpoint one layer at a time. Moments are {@code [n, n]} or {@code [m, m]} in float64; letters are those of
 * {@link ai.molae.djl.moe}.
 */
@NullMarked
package ai.molae.djl.convert.calibrate;

import org.jspecify.annotations.NullMarked;
