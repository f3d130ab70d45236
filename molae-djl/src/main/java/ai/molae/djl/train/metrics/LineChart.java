package ai.molae.djl.train.metrics;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;

/** Curves over the steps, as an SVG. */
final class LineChart {

    private static final int WIDTH = 560;
    private static final int HEIGHT = 250;
    private static final int LEFT = 56;
    private static final int RIGHT = 14;
    private static final int TOP = 12;
    private static final int BOTTOM = 34;

    /** How a curve is drawn; the names are CSS classes. */
    enum Style {
        /** Faint, for what is noisy. */
        RAW,
        /** The usual. */
        LINE,
        /** Dashed with points, for what is known at few steps. */
        DOTS,
        /** Thin and dotted, for what others are held against. */
        BOUND
    }

    /** A curve in the colour of a number. */
    private record Line(String name, List<Point> points, Style style, int colour) {}

    private final String title;
    private final String unit;
    private final boolean logarithmic;
    private final List<Line> lines = new ArrayList<>();

    LineChart(String title, String unit, boolean logarithmic) {
        this.title = title;
        this.unit = unit;
        this.logarithmic = logarithmic;
    }

    /** Adds a curve; without a name it is not in the legend, and without points not in the chart. */
    LineChart add(String name, List<Point> points, Style style, int colour) {
        List<Point> drawn =
                logarithmic ? points.stream().filter(point -> point.value() > 0).toList() : points;
        if (!drawn.isEmpty()) {
            lines.add(new Line(name, drawn, style, colour));
        }
        return this;
    }

    boolean isEmpty() {
        return lines.isEmpty();
    }

    /** A figure with title, legend and curves. */
    String figure() {
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
                extreme(point -> (double) point.step(), false),
                extreme(point -> (double) point.step(), true),
                false,
                LEFT,
                WIDTH - RIGHT);
        double low = extreme(Point::value, false);
        double high = extreme(Point::value, true);
        double margin = logarithmic ? 0 : 0.04 * (high - low);
        // What cannot be negative is not drawn as if it could.
        Axis y = new Axis(
                low >= 0 ? Math.max(logarithmic ? low : 0, low - margin) : low - margin,
                high + margin,
                logarithmic,
                HEIGHT - BOTTOM,
                TOP);
        StringBuilder svg = new StringBuilder(String.format(
                Locale.ROOT,
                "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">",
                WIDTH,
                HEIGHT,
                Html.escape(title + " by step")));
        grid(svg, x, y);
        lines.forEach(line -> draw(svg, line, x, y));
        return svg.append("</svg>").toString();
    }

    private double extreme(ToDoubleFunction<Point> of, boolean greatest) {
        Stream<Point> all = lines.stream().flatMap(line -> line.points().stream());
        return greatest
                ? all.mapToDouble(of).max().orElse(1)
                : all.mapToDouble(of).min().orElse(0);
    }

    private static void grid(StringBuilder svg, Axis x, Axis y) {
        for (double tick : y.ticks(5)) {
            svg.append(String.format(
                    Locale.ROOT,
                    "<path class=grid d=\"M%d %.1fH%d\"/><text class=y x=\"%d\" y=\"%.1f\">%s</text>",
                    LEFT,
                    y.at(tick),
                    WIDTH - RIGHT,
                    LEFT - 6,
                    y.at(tick) + 4,
                    Html.number(tick)));
        }
        for (double tick : x.ticks(6)) {
            if (tick == Math.rint(tick)) {
                svg.append(String.format(
                        Locale.ROOT,
                        "<text class=x x=\"%.1f\" y=\"%d\">%s</text>",
                        x.at(tick),
                        HEIGHT - BOTTOM + 17,
                        Html.number(tick)));
            }
        }
        svg.append(String.format(
                Locale.ROOT,
                "<path class=axis d=\"M%d %dH%d\"/><text class=x x=\"%d\" y=\"%d\">step</text>",
                LEFT,
                HEIGHT - BOTTOM,
                WIDTH - RIGHT,
                (LEFT + WIDTH - RIGHT) / 2,
                HEIGHT - 3));
    }

    private static void draw(StringBuilder svg, Line line, Axis x, Axis y) {
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
                        .append(String.format(
                                Locale.ROOT, "%.1f %.1f", x.at((double) point.step()), y.at(point.value())));
                command = 'L';
            }
            svg.append("\"/>");
        }
        if (points.size() == 1 || (line.style() == Style.DOTS && points.size() <= 60)) {
            for (Point point : points) {
                svg.append(String.format(
                        Locale.ROOT,
                        "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=3><title>step %d: %s</title></circle>",
                        colour,
                        x.at((double) point.step()),
                        y.at(point.value()),
                        point.step(),
                        Html.number(point.value())));
            }
        }
    }
}
