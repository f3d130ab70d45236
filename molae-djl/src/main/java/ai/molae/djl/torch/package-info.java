/**
 * Access to all of libtorch from DJL: TorchScript written in memory, gradient mode, compute precision and native memory figures.
 */
@NullMarked
package ai.molae.djl.torch;

import org.jspecify.annotations.NullMarked;
