package ai.molae.cost;

import ai.molae.internal.Checks;

/**
 * The time floor of a computation on a machine (Williams et al., 2009): {@code max(FLOPs / peak, bytes / bandwidth)}.
 * Measure both ceilings in the same run as whatever is compared with the floor.
 *
 * @param peakFlopsPerSecond the most floating-point operations per second, one multiply-add being 2
 * @param bytesPerSecond the most bytes per second between memory and processor
 */
public record Roofline(double peakFlopsPerSecond, double bytesPerSecond) {

    /** Which ceiling holds a computation. */
    public enum Bound {
        /** The arithmetic takes longer than the memory traffic, or as long. */
        COMPUTE,
        /** The memory traffic takes longer than the arithmetic. */
        MEMORY
    }

    /**
     * Validates the ceilings.
     *
     * @param peakFlopsPerSecond the most floating-point operations per second
     * @param bytesPerSecond the most bytes per second between memory and processor
     * @throws IllegalArgumentException if one is not finite and positive
     */
    public Roofline {
        Checks.finitePositive("peakFlopsPerSecond", peakFlopsPerSecond);
        Checks.finitePositive("bytesPerSecond", bytesPerSecond);
    }

    /**
     * The least time a computation can take.
     *
     * @param flops its FLOPs
     * @param bytes the bytes it moves
     * @return {@code max(flops / peakFlopsPerSecond, bytes / bytesPerSecond)} in seconds
     * @throws IllegalArgumentException if an argument is negative or not finite
     */
    public double seconds(double flops, double bytes) {
        return Math.max(computeSeconds(flops), memorySeconds(bytes));
    }

    /**
     * Which ceiling holds a computation.
     *
     * @param flops its FLOPs
     * @param bytes the bytes it moves
     * @return the longer of both times; COMPUTE when they are equal
     * @throws IllegalArgumentException if an argument is negative or not finite
     */
    public Bound bound(double flops, double bytes) {
        return computeSeconds(flops) >= memorySeconds(bytes) ? Bound.COMPUTE : Bound.MEMORY;
    }

    /**
     * The arithmetic intensity at which both ceilings meet.
     *
     * @return {@code peakFlopsPerSecond / bytesPerSecond} in FLOPs per byte
     */
    public double ridge() {
        return peakFlopsPerSecond / bytesPerSecond;
    }

    /**
     * FLOPs per byte moved; above {@link #ridge()} a computation is held by the arithmetic.
     *
     * @param flops its FLOPs
     * @param bytes the bytes it moves
     * @return {@code flops / bytes}
     * @throws IllegalArgumentException if {@code flops} is negative, {@code bytes} not positive, or either not finite
     */
    public static double arithmeticIntensity(double flops, double bytes) {
        Checks.finiteNonNegative("flops", flops);
        Checks.finitePositive("bytes", bytes);
        return flops / bytes;
    }

    private double computeSeconds(double flops) {
        Checks.finiteNonNegative("flops", flops);
        return flops / peakFlopsPerSecond;
    }

    private double memorySeconds(double bytes) {
        Checks.finiteNonNegative("bytes", bytes);
        return bytes / bytesPerSecond;
    }
}
