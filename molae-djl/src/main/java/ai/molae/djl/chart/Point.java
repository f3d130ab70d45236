package ai.molae.djl.chart;

/**
 * A point of a curve.
 *
 * @param x where: a step, a rank, a layer
 * @param y what
 */
public record Point(long x, double y) {}
