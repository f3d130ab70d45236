/**
 * How files come to the disk, complete or not at all, how folders go, how much of a stranger's text is read and how it is shown in messages. These are molae's own means and follow its needs. Plain Java, on which
 * every other package may build.
 */
@NullMarked
package ai.molae.djl.files;

import org.jspecify.annotations.NullMarked;
