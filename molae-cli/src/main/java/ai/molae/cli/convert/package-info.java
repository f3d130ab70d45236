/** {@code molae convert} and {@code molae spectrum}: a checkpoint of a standard MoE becomes one of a MoLAE. */
@NullMarked
package ai.molae.cli.convert;

import org.jspecify.annotations.NullMarked;
