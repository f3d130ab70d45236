/** {@code molae quickstart}: trains a standard MoE and a MoLAE language model on the same text and reports what each cost and learned. */
@NullMarked
package ai.molae.cli.quickstart;

import org.jspecify.annotations.NullMarked;
