package ai.molae.djl.train.metrics;

/**
 * A point of a curve.
 *
 * @param step where
 * @param value what
 */
record Point(long step, double value) {}
