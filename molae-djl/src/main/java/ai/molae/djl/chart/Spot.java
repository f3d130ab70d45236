package ai.molae.djl.chart;

/**
 * A place in a {@link ScatterChart}.
 *
 * @param x how far across
 * @param y how far up
 * @param label what it is, shown when it is pointed at; not HTML, may be empty
 */
public record Spot(double x, double y, String label) {

    /**
     * A place without a label of its own.
     *
     * @param x how far across
     * @param y how far up
     */
    public Spot(double x, double y) {
        this(x, y, "");
    }

    /** Whether a chart with such axes can show it. */
    boolean isOn(boolean logarithmicX, boolean logarithmicY) {
        return Double.isFinite(x) && Double.isFinite(y) && (!logarithmicX || x > 0) && (!logarithmicY || y > 0);
    }
}
