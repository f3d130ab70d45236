/** What text shows of the experts of a model: how often they are chosen, together with whom, and the second moments of what they read and compute. */
@NullMarked
package ai.molae.djl.convert.calibrate;

import org.jspecify.annotations.NullMarked;
