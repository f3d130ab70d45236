package ai.molae.djl.chart;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Amounts one below the other, from zero, with a name on their left, or above if some name is long, as an SVG. */
public final class RowChart {

    private static final int WIDTH = 420;
    private static final int RIGHT = 50;
    private static final int TOP = 8;
    private static final int BOTTOM = 24;
    private static final int BAR = 12;
    private static final int GAP = 10;

    /** The height of a name above its bars. */
    private static final int NAME = 15;

    /** About the width of a letter, and the most room that names on the left get. */
    private static final double LETTER = 7;

    private static final int MOST_NAME = 170;

    /**
     * What the bars of a place are.
     *
     * @param name its name in the legend, not HTML
     * @param colour its number, below {@link LineChart#COLOURS}
     */
    public record Series(String name, int colour) {

        /**
         * Checks the colour.
         *
         * @param name its name in the legend, not HTML
         * @param colour its number, below {@link LineChart#COLOURS}
         */
        public Series {
            Frame.checkColour(colour);
        }
    }

    /** The bars of a place, with the colour of each. */
    private record Bars(String name, List<Double> values, List<Integer> colours) {}

    private final String title;
    private final String unit;
    private final List<Series> series;
    private final List<Bars> places = new ArrayList<>();
    private double even = Double.NaN;

    /**
     * An empty chart.
     *
     * @param title what it shows, not HTML
     * @param unit of the values, not HTML
     * @param series what the bars of a place are, from the top; a single one has no legend
     */
    public RowChart(String title, String unit, List<Series> series) {
        if (series.isEmpty()) {
            throw new IllegalArgumentException("a bar chart has at least one series");
        }
        this.title = title;
        this.unit = unit;
        this.series = List.copyOf(series);
    }

    /**
     * Adds the bars of a place.
     *
     * @param name what stands on their left, not HTML
     * @param values one for each series, not negative; no bar for what is not finite
     * @return this chart
     */
    public RowChart add(String name, double... values) {
        if (values.length != series.size()) {
            throw new IllegalArgumentException(
                    "a place has a value for each of " + series + ", got " + Arrays.toString(values));
        }
        places.add(new Bars(
                name,
                Arrays.stream(values).boxed().toList(),
                series.stream().map(Series::colour).toList()));
        return this;
    }

    /**
     * Adds a place whose only bar has a colour of its own, where there is one series.
     *
     * @param name what stands on its left, not HTML
     * @param colour its number, below {@link LineChart#COLOURS}
     * @param value not negative; no bar if it is not finite
     * @return this chart
     */
    public RowChart addColoured(String name, int colour, double value) {
        add(name, value);
        places.set(places.size() - 1, new Bars(name, List.of(value), List.of(Frame.checkColour(colour))));
        return this;
    }

    /**
     * Draws a line through all bars, such as where a ratio is 1.
     *
     * @param value where
     * @return this chart
     */
    public RowChart even(double value) {
        even = value;
        return this;
    }

    /**
     * Whether there is nothing to see.
     *
     * @return true without any finite value
     */
    public boolean isEmpty() {
        return places.stream().flatMap(bars -> bars.values().stream()).noneMatch(Double::isFinite);
    }

    /**
     * The chart as HTML.
     *
     * @return a figure with title, legend and bars
     */
    public String figure() {
        StringBuilder legend = new StringBuilder();
        if (series.size() > 1) {
            series.forEach(one -> legend.append(Frame.entry(one.colour(), "bar", one.name())));
        }
        return Frame.caption(title, unit, legend.toString()) + svg() + "</figure>\n";
    }

    private String svg() {
        int letters =
                places.stream().mapToInt(bars -> bars.name().length()).max().orElse(0);
        boolean above = 14 + LETTER * letters > MOST_NAME;
        int head = above ? NAME : 0;
        int row = head + BAR * series.size() + GAP;
        int bottom = TOP + row * places.size();
        double left = above ? 8 : 14 + LETTER * letters;
        double most = places.stream()
                .flatMap(bars -> bars.values().stream())
                .filter(Double::isFinite)
                .max(Double::compare)
                .orElse(0.0);
        most = Math.max(most, Double.isFinite(even) ? even : 0);
        Axis x = new Axis(0, most > 0 ? most : 1, false, left, WIDTH - RIGHT);
        StringBuilder svg =
                Frame.svg(title, title + " in " + unit + ", " + places.size() + " rows", WIDTH, bottom + BOTTOM);
        for (double tick : x.ticks(4)) {
            append(svg, "<path class=grid d=\"M%.1f %dV%d\"/>", x.at(tick), TOP, bottom);
            append(svg, "<text class=x x=\"%.1f\" y=\"%d\">%s</text>", x.at(tick), bottom + 16, Html.number(tick));
        }
        for (int i = 0; i < places.size(); i++) {
            Bars bars = places.get(i);
            double top = TOP + i * row + GAP / 2.0;
            if (above) {
                append(
                        svg,
                        "<text class=above x=\"%.1f\" y=\"%.1f\">%s</text>",
                        left + 2,
                        top + NAME - 4,
                        Html.escape(bars.name()));
            } else {
                append(
                        svg,
                        "<text class=name x=\"%.1f\" y=\"%.1f\">%s</text>",
                        left - 6,
                        top + BAR * series.size() / 2.0 + 4,
                        Html.escape(bars.name()));
            }
            draw(svg, bars, top + head, x);
        }
        append(svg, "<path class=axis d=\"M%.1f %dV%d\"/>", left, TOP, bottom);
        if (Double.isFinite(even)) {
            append(svg, "<path class=even d=\"M%.1f %dV%d\"/>", x.at(even), TOP, bottom);
        }
        return svg.append("</svg>").toString();
    }

    private void draw(StringBuilder svg, Bars bars, double top, Axis x) {
        for (int i = 0; i < series.size(); i++) {
            double value = bars.values().get(i);
            if (!Double.isFinite(value)) {
                continue;
            }
            append(
                    svg,
                    "<rect class=c%d x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=1><title>%s</title></rect>",
                    bars.colours().get(i),
                    x.at(0),
                    top + i * BAR + 0.5,
                    Math.max(0.5, x.at(value) - x.at(0)),
                    BAR - 1,
                    Html.escape(bars.name()
                            + (series.size() > 1 ? " " + series.get(i).name() : "") + ": " + Html.number(value)));
            append(
                    svg,
                    "<text class=value x=\"%.1f\" y=\"%.1f\">%s</text>",
                    x.at(value) + 4,
                    top + i * BAR + BAR - 2,
                    Html.number(value));
        }
    }

    @SuppressWarnings("AnnotateFormatMethod") // the annotation would be a dependency
    private static void append(StringBuilder svg, String format, Object... arguments) {
        svg.append(String.format(Locale.ROOT, format, arguments));
    }
}
