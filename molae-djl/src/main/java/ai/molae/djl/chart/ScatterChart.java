package ai.molae.djl.chart;

import ai.molae.djl.chart.LineChart.Style;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/** Marks and curves over numbers, each axis linear or logarithmic, as an SVG. What an axis cannot show is left out. */
public final class ScatterChart {

    private static final int WIDTH = 420;
    private static final int HEIGHT = 300;
    private static final int LEFT = 52;
    private static final int RIGHT = 14;
    private static final int TOP = 12;
    private static final int BOTTOM = 42;

    /** Room beside the outermost, as a share of the range. */
    private static final double MARGIN = 0.04;

    /** The form of a mark; the names are CSS classes. */
    public enum Form {
        /** Round. */
        CIRCLE,
        /** Upright. */
        SQUARE,
        /** Point up. */
        TRIANGLE
    }

    private record Curve(String name, List<Spot> spots, Style style, int colour) {}

    private record Marks(String name, List<Spot> spots, Form form, int colour) {}

    private final String title;
    private final String up;
    private final String across;
    private final boolean logarithmicX;
    private final boolean logarithmicY;
    private final List<Curve> curves = new ArrayList<>();
    private final List<Marks> marks = new ArrayList<>();
    private double even = Double.NaN;

    /**
     * An empty chart.
     *
     * @param title what it shows, not HTML
     * @param up what grows upwards, with its unit, not HTML
     * @param across what grows to the right, with its unit, not HTML
     * @param logarithmicX whether ratios count across
     * @param logarithmicY whether ratios count upwards
     */
    public ScatterChart(String title, String up, String across, boolean logarithmicX, boolean logarithmicY) {
        this.title = title;
        this.up = up;
        this.across = across;
        this.logarithmicX = logarithmicX;
        this.logarithmicY = logarithmicY;
    }

    /**
     * Adds a curve.
     *
     * @param name its name in the legend, not HTML; empty for none there
     * @param spots from left to right; without any it is not in the chart
     * @param style how it is drawn
     * @param colour its number, below {@link LineChart#COLOURS}
     * @return this chart
     */
    public ScatterChart curve(String name, List<Spot> spots, Style style, int colour) {
        List<Spot> drawn = drawn(spots);
        if (!drawn.isEmpty()) {
            curves.add(new Curve(name, drawn, style, Frame.checkColour(colour)));
        }
        return this;
    }

    /**
     * Adds marks.
     *
     * @param name their name in the legend, not HTML; empty for none there
     * @param spots where they are; without any they are not in the chart
     * @param form their form
     * @param colour its number, below {@link LineChart#COLOURS}
     * @return this chart
     */
    public ScatterChart marks(String name, List<Spot> spots, Form form, int colour) {
        List<Spot> drawn = drawn(spots);
        if (!drawn.isEmpty()) {
            marks.add(new Marks(name, drawn, form, Frame.checkColour(colour)));
        }
        return this;
    }

    /**
     * Draws a line across, such as where a ratio is 1.
     *
     * @param value where
     * @return this chart
     */
    public ScatterChart even(double value) {
        even = value;
        return this;
    }

    private List<Spot> drawn(List<Spot> spots) {
        return spots.stream()
                .filter(spot -> spot.isOn(logarithmicX, logarithmicY))
                .toList();
    }

    /**
     * Whether there is nothing to see.
     *
     * @return true without curves and marks
     */
    public boolean isEmpty() {
        return curves.isEmpty() && marks.isEmpty();
    }

    /**
     * The chart as HTML.
     *
     * @return a figure with title, legend, curves and marks
     */
    public String figure() {
        Set<String> legend = new LinkedHashSet<>();
        curves.stream()
                .filter(curve -> !curve.name().isEmpty())
                .forEach(curve -> legend.add(Frame.entry(curve.colour(), css(curve.style()), curve.name())));
        marks.stream()
                .filter(group -> !group.name().isEmpty())
                .forEach(group -> legend.add(Frame.entry(group.colour(), css(group.form()), group.name())));
        return Frame.caption(title, up + (logarithmicY ? ", logarithmic" : ""), String.join("", legend)) + svg()
                + "</figure>\n";
    }

    private static String css(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    private String svg() {
        Axis x = axis(Spot::x, logarithmicX, Double.NaN, LEFT, WIDTH - RIGHT);
        Axis y = axis(Spot::y, logarithmicY, even, HEIGHT - BOTTOM, TOP);
        StringBuilder svg = Frame.svg(
                title,
                up + " by " + across + ": "
                        + marks.stream().mapToInt(group -> group.spots().size()).sum() + " marks, " + curves.size()
                        + " curves",
                WIDTH,
                HEIGHT);
        grid(svg, x, y);
        curves.forEach(curve -> draw(svg, curve, x, y));
        marks.forEach(group -> group.spots().forEach(spot -> draw(svg, group, spot, x, y)));
        return svg.append("</svg>").toString();
    }

    private Axis axis(ToDoubleFunction<Spot> of, boolean logarithmic, double also, double from, double to) {
        double[] values = DoubleStream.concat(
                        DoubleStream.concat(
                                curves.stream()
                                        .flatMap(curve -> curve.spots().stream())
                                        .mapToDouble(of),
                                marks.stream()
                                        .flatMap(group -> group.spots().stream())
                                        .mapToDouble(of)),
                        DoubleStream.of(also))
                .filter(Double::isFinite)
                .toArray();
        double low = DoubleStream.of(values).min().orElse(logarithmic ? 1 : 0);
        double high = DoubleStream.of(values).max().orElse(10);
        if (logarithmic) {
            double room = high > low ? Math.pow(high / low, MARGIN) : 2;
            return new Axis(low / room, high * room, true, from, to);
        }
        // What is not negative begins at zero, so that heights compare.
        double room = MARGIN * (high - low);
        return new Axis(low >= 0 ? 0 : low - room, high + room, false, from, to);
    }

    private void grid(StringBuilder svg, Axis x, Axis y) {
        for (double tick : y.ticks(5)) {
            path(svg, "grid", "M%d %.1fH%d", LEFT, y.at(tick), WIDTH - RIGHT);
            text(svg, "y", LEFT - 6, y.at(tick) + 4, Html.number(tick));
        }
        for (double tick : x.ticks(6)) {
            path(svg, "grid", "M%.1f %dV%d", x.at(tick), TOP, HEIGHT - BOTTOM);
            text(svg, "x", x.at(tick), HEIGHT - BOTTOM + 17, Html.number(tick));
        }
        path(svg, "axis", "M%d %dH%d", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT);
        if (Double.isFinite(even)) {
            path(svg, "even", "M%d %.1fH%d", LEFT, y.at(even), WIDTH - RIGHT);
        }
        text(svg, "x", (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6, across + (logarithmicX ? ", logarithmic" : ""));
    }

    private static void draw(StringBuilder svg, Curve curve, Axis x, Axis y) {
        StringBuilder d = new StringBuilder();
        for (Spot spot : curve.spots()) {
            d.append(String.format(
                    Locale.ROOT, "%s%.1f %.1f", d.length() == 0 ? "M" : "L", x.at(spot.x()), y.at(spot.y())));
        }
        path(svg, "c" + curve.colour() + " " + css(curve.style()), "%s", d);
    }

    private void draw(StringBuilder svg, Marks group, Spot spot, Axis x, Axis y) {
        double cx = x.at(spot.x());
        double cy = y.at(spot.y());
        String d =
                switch (group.form()) {
                    case CIRCLE -> format("M%.1f %.1fa4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", cx - 4, cy);
                    case SQUARE -> format("M%.1f %.1fh7v7h-7z", cx - 3.5, cy - 3.5);
                    case TRIANGLE -> format("M%.1f %.1fl4.5 8h-9z", cx, cy - 5);
                };
        String label = spot.label().isEmpty() ? group.name() : spot.label();
        svg.append("<path class=\"mark c")
                .append(group.colour())
                .append("\" d=\"")
                .append(d)
                .append("\"><title>")
                .append(Html.escape(label + ": " + Html.number(spot.y()) + " at " + Html.number(spot.x())))
                .append("</title></path>");
    }

    private static void path(StringBuilder svg, String css, String d, Object... numbers) {
        svg.append("<path class=\"")
                .append(css)
                .append("\" d=\"")
                .append(format(d, numbers))
                .append("\"/>");
    }

    private static void text(StringBuilder svg, String css, double x, double y, String text) {
        svg.append("<text class=")
                .append(css)
                .append(format(" x=\"%.1f\" y=\"%.1f\">", x, y))
                .append(Html.escape(text))
                .append("</text>");
    }

    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be a dependency
    private static String format(String format, Object... numbers) {
        return String.format(Locale.ROOT, format, numbers);
    }
}
