/** The mathematics of sharing a projection between matrices: Gram matrices, eigenvectors, least squares, groups and ranks. */
@NullMarked
package ai.molae.djl.convert.factor;

import org.jspecify.annotations.NullMarked;
