package ai.molae.djl.chart;

import java.util.Locale;

/** What charts have around what they show. */
final class Frame {

    static final int WIDTH = 560;
    static final int HEIGHT = 250;
    static final int LEFT = 56;
    static final int RIGHT = 14;
    static final int BOTTOM = 34;

    private Frame() {}

    /** The begin of an SVG, with what it shows in words. */
    static StringBuilder svg(String label, String description) {
        return svg(label, description, WIDTH, HEIGHT);
    }

    /** The begin of an SVG of a size, with what it shows in words. */
    static StringBuilder svg(String label, String description, int width, int height) {
        return new StringBuilder(String.format(
                Locale.ROOT,
                "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\"><title>%s</title><desc>%s</desc>",
                width,
                height,
                Html.escape(label),
                Html.escape(label),
                Html.escape(description)));
    }

    /** The begin of a figure: title, unit and the entries of a legend, which are HTML. */
    static String caption(String title, String unit, String legend) {
        return "<figure><figcaption><b>" + Html.escape(title) + "</b> <span>" + Html.escape(unit)
                + "</span><span class=legend>" + legend + "</span></figcaption>";
    }

    /** An entry of a legend. */
    static String entry(int colour, String css, String name) {
        return "<i class=\"c" + colour + " " + css + "\">" + Html.escape(name) + "</i>";
    }

    /** A colour of the style sheet. */
    static int checkColour(int colour) {
        if (colour < 0 || colour >= LineChart.COLOURS) {
            throw new IllegalArgumentException(
                    "colours are numbered from 0 to " + (LineChart.COLOURS - 1) + ", got " + colour);
        }
        return colour;
    }

    /** Lines across at round values, with the values. */
    static void grid(StringBuilder svg, Axis y) {
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
    }

    /** A text below the chart. */
    static void below(StringBuilder svg, double x, String text) {
        svg.append(String.format(
                Locale.ROOT, "<text class=x x=\"%.1f\" y=\"%d\">%s</text>", x, HEIGHT - BOTTOM + 17, text));
    }

    /** The line the chart stands on. */
    static void axis(StringBuilder svg) {
        svg.append(
                String.format(Locale.ROOT, "<path class=axis d=\"M%d %dH%d\"/>", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT));
    }
}
