package ai.molae.djl.convert.report;

/**
 * How much of the energy of a random matrix its best r-dimensional space keeps: what a latent size keeps of experts that have nothing in common.
 * The squared singular values of a p × q matrix (p ≤ q) of independent entries, over q, follow Marchenko and Pastur's law as the matrix grows:
 *
 * <pre>
 *   γ = p/q,   density √((b − x)(x − a)) / (2π γ x) between a, b = (1 ∓ √γ)²,   mean 1
 *   with x = 1 + γ + 2√γ cos θ, from the greatest x on as θ grows from 0 to π:
 *   part of the values   F(t) = 2/π ∫₀ᵗ sin²θ / (1 + γ + 2√γ cos θ) dθ
 *   their energy         E(t) = (t − sin 2t / 2) / π
 * </pre>
 */
final class RandomFloor {

    private static final int CELLS = 8192;

    private final int smaller;

    /** F at t = π i / CELLS. */
    private final double[] parts = new double[CELLS + 1];

    /** A p × q or q × p matrix. */
    RandomFloor(long rows, long columns) {
        smaller = (int) Math.min(rows, columns);
        double gamma = (double) smaller / Math.max(rows, columns);
        double width = Math.PI / CELLS;
        for (int i = 0; i < CELLS; i++) {
            // The middle of a cell is never π, where a square matrix (γ = 1) would have 0/0.
            double theta = (i + 0.5) * width;
            double sine = Math.sin(theta);
            parts[i + 1] =
                    parts[i] + 2 / Math.PI * width * sine * sine / (1 + gamma + 2 * Math.sqrt(gamma) * Math.cos(theta));
        }
    }

    /** The share of the energy in the r greatest of the squared singular values. */
    double kept(int r) {
        if (r >= smaller) {
            return 1;
        }
        double part = (double) r / smaller * parts[CELLS];
        int low = 0;
        int high = CELLS;
        while (high - low > 1) {
            int middle = (low + high) >>> 1;
            if (parts[middle] <= part) {
                low = middle;
            } else {
                high = middle;
            }
        }
        double t = Math.PI / CELLS * (low + (part - parts[low]) / (parts[high] - parts[low]));
        return (t - Math.sin(2 * t) / 2) / Math.PI;
    }
}
