package ai.molae.djl.chart;

/** Numbers that everybody should see, side by side. */
public final class Tiles {

    private final StringBuilder html = new StringBuilder("<div class=tiles>");

    /** None yet. */
    public Tiles() {}

    /**
     * Adds a number.
     *
     * @param number the number, not HTML
     * @param name what it is, not HTML
     * @param detail more of that, not HTML
     * @return this
     */
    public Tiles add(String number, String name, String detail) {
        html.append("<div class=tile><b>")
                .append(Html.escape(number))
                .append("</b><span>")
                .append(Html.escape(name))
                .append("</span><small>")
                .append(Html.escape(detail))
                .append("</small></div>");
        return this;
    }

    /**
     * The numbers as HTML.
     *
     * @return a block
     */
    public String html() {
        return html + "</div>\n";
    }
}
