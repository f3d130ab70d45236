/** Complete programs to copy. Each class stands alone. */
@NullMarked
package ai.molae.examples;

import org.jspecify.annotations.NullMarked;
