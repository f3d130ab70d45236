/**
 * How files come to the disk, complete or not at all, and how folders go. These are molae's own means and follow its needs. Plain Java, on which
 * every other package may build.
 */
@NullMarked
package ai.molae.djl.files;

import org.jspecify.annotations.NullMarked;
