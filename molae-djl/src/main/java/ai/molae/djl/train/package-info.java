/** Training a language model: loop, optimizers, schedules and what they report. */
@NullMarked
package ai.molae.djl.train;

import org.jspecify.annotations.NullMarked;
