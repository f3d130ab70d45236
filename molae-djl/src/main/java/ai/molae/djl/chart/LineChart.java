package ai.molae.djl.chart;

import static ai.molae.djl.chart.Frame.BOTTOM;
import static ai.molae.djl.chart.Frame.HEIGHT;
import static ai.molae.djl.chart.Frame.LEFT;
import static ai.molae.djl.chart.Frame.RIGHT;
import static ai.molae.djl.chart.Frame.WIDTH;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Curves over whole numbers such as steps, ranks or layers, as an SVG. */
public final class LineChart {

    /** So many colours the style sheet has. */
    public static final int COLOURS = 9;

    private static final int TOP = 12;

    /** How a curve is drawn; the names are CSS classes. */
    public enum Style {
        /** Faint, for what is noisy. */
        RAW,
        /** The usual. */
        LINE,
        /** Dashed with points, for what is known at few places. */
        DOTS,
        /** Thin and dotted, for what others are held against. */
        BOUND
    }

    /** A curve in the colour of a number. */
    private record Line(String name, List<Point> points, Style style, int colour) {}

    private final String title;
    private final String unit;
    private final String across;
    private final boolean logarithmic;
    private final List<Line> lines = new ArrayList<>();

    /**
     * An empty chart.
     *
     * @param title what it shows, not HTML
     * @param unit of the values, not HTML
     * @param across what the curves run over, in one word: step, rank, layer
     * @param logarithmic whether ratios of values count; values that are not positive are left out then
     */
    public LineChart(String title, String unit, String across, boolean logarithmic) {
        this.title = title;
        this.unit = unit;
        this.across = across;
        this.logarithmic = logarithmic;
    }

    /**
     * Adds a curve.
     *
     * @param name its name in the legend, not HTML; empty for none there
     * @param points from left to right, finite; without any it is not in the chart
     * @param style how it is drawn
     * @param colour its number, below {@link #COLOURS}
     * @return this chart
     */
    public LineChart add(String name, List<Point> points, Style style, int colour) {
        List<Point> drawn =
                logarithmic ? points.stream().filter(point -> point.y() > 0).toList() : points;
        if (!drawn.isEmpty()) {
            lines.add(new Line(name, drawn, style, colour));
        }
        return this;
    }

    /**
     * Whether there is nothing to see.
     *
     * @return true without curves
     */
    public boolean isEmpty() {
        return lines.isEmpty();
    }

    /**
     * The chart as HTML.
     *
     * @return a figure with title, legend and curves
     */
    public String figure() {
        StringBuilder html = new StringBuilder("<figure><figcaption><b>")
                .append(Html.escape(title))
                .append("</b> <span>")
                .append(Html.escape(unit))
                .append(logarithmic ? ", logarithmic" : "")
                .append("</span><span class=legend>");
        lines.stream().filter(line -> !line.name().isEmpty()).forEach(line -> html.append("<i class=\"c")
                .append(line.colour())
                .append(' ')
                .append(css(line))
                .append("\">")
                .append(Html.escape(line.name()))
                .append("</i>"));
        return html.append("</span></figcaption>")
                .append(svg())
                .append("</figure>\n")
                .toString();
    }

    private static String css(Line line) {
        return line.style().name().toLowerCase(Locale.ROOT);
    }

    private String svg() {
        Axis x = new Axis(
                extreme(point -> (double) point.x(), false),
                extreme(point -> (double) point.x(), true),
                false,
                LEFT,
                WIDTH - RIGHT);
        double low = extreme(Point::y, false);
        double high = extreme(Point::y, true);
        double margin = logarithmic ? 0 : 0.04 * (high - low);
        // What cannot be negative is not drawn as if it could.
        Axis y = new Axis(
                low >= 0 ? Math.max(logarithmic ? low : 0, low - margin) : low - margin,
                high + margin,
                logarithmic,
                HEIGHT - BOTTOM,
                TOP);
        StringBuilder svg = Frame.svg(title + " by " + across, description());
        grid(svg, x, y);
        lines.forEach(line -> draw(svg, line, x, y));
        return svg.append("</svg>").toString();
    }

    private String description() {
        String names = lines.stream()
                .map(Line::name)
                .filter(name -> !name.isEmpty())
                .distinct()
                .collect(Collectors.joining(", "));
        return lines.size() + " curves in " + unit + (names.isEmpty() ? "" : ": " + names) + "; from "
                + Html.number(extreme(Point::y, false)) + " to " + Html.number(extreme(Point::y, true));
    }

    private double extreme(ToDoubleFunction<Point> of, boolean greatest) {
        Stream<Point> all = lines.stream().flatMap(line -> line.points().stream());
        return greatest
                ? all.mapToDouble(of).max().orElse(1)
                : all.mapToDouble(of).min().orElse(0);
    }

    private void grid(StringBuilder svg, Axis x, Axis y) {
        Frame.grid(svg, y);
        for (double tick : x.ticks(6)) {
            if (tick == Math.rint(tick)) {
                Frame.below(svg, x.at(tick), Html.number(tick));
            }
        }
        Frame.axis(svg);
        svg.append(String.format(
                Locale.ROOT,
                "<text class=x x=\"%d\" y=\"%d\">%s</text>",
                (LEFT + WIDTH - RIGHT) / 2,
                HEIGHT - 3,
                Html.escape(across)));
    }

    private void draw(StringBuilder svg, Line line, Axis x, Axis y) {
        List<Point> points = line.points();
        String colour = "c" + line.colour();
        if (points.size() > 1) {
            svg.append("<path class=\"")
                    .append(colour)
                    .append(' ')
                    .append(css(line))
                    .append("\" d=\"");
            char command = 'M';
            for (Point point : points) {
                svg.append(command)
                        .append(String.format(Locale.ROOT, "%.1f %.1f", x.at((double) point.x()), y.at(point.y())));
                command = 'L';
            }
            svg.append("\"/>");
        }
        if (points.size() == 1 || (line.style() == Style.DOTS && points.size() <= 60)) {
            for (Point point : points) {
                svg.append(String.format(
                        Locale.ROOT,
                        "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=3><title>%s %d: %s</title></circle>",
                        colour,
                        x.at((double) point.x()),
                        y.at(point.y()),
                        Html.escape(across),
                        point.x(),
                        Html.number(point.y())));
            }
        }
    }
}
