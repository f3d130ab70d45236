/**
 * DJL model folders of molae's blocks: {@link ai.molae.djl.model.ModelFolder} writes them, {@code Criteria} loads them through the block
 * factories.
 */
@NullMarked
package ai.molae.djl.model;

import org.jspecify.annotations.NullMarked;
