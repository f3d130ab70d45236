/** {@code molae eval}: how well a model predicts a text, and how it uses its experts for it. */
@NullMarked
package ai.molae.cli.eval;

import org.jspecify.annotations.NullMarked;
