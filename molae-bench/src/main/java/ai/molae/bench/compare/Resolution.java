package ai.molae.bench.compare;

/**
 * How small a change of a quantity two runs could show: a change for the worse of this size is found half of the time, a smaller one seldom.
 *
 * @param quantity what changes
 * @param noise between two processes, relative
 * @param assumed whether the noise is assumed, because there are too few trials to tell
 * @param trial relative change from which the middle one of all trials is marked
 * @param largestGroup trials of the largest group, 0 if no group has three
 * @param group relative change from which the largest group is marked
 */
public record Resolution(
        Quantity quantity, double noise, boolean assumed, double trial, int largestGroup, double group) {}
