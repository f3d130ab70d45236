/**
 * Making one model of another: a MoE of a dense model ({@link ai.molae.djl.convert.Upcycling}), a MoLAE of a MoE, in memory
 * ({@link ai.molae.djl.convert.LatentWarmStart}) or checkpoint by checkpoint ({@link ai.molae.djl.convert.Converter}), and healing what that
 * lost. Letters of shapes are those of {@link ai.molae.djl.moe}.
 */
@NullMarked
package ai.molae.djl.convert;

import org.jspecify.annotations.NullMarked;
