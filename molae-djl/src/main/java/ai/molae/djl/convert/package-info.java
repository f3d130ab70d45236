/** Making one model of another: a MoE of a dense model, a MoLAE of a MoE. */
@NullMarked
package ai.molae.djl.convert;

import org.jspecify.annotations.NullMarked;
