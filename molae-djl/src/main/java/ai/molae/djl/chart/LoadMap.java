package ai.molae.djl.chart;

import java.util.List;

/**
 * How loads spread over experts, as heat maps: no colour where an expert has its even share, ever more orange up to four times of it, ever more
 * blue down to a quarter.
 */
public final class LoadMap {

    private static final int ROW = 18;
    private static final int LEAST_HEIGHT = 90;
    private static final int MOST_HEIGHT = 230;

    private LoadMap() {}

    /**
     * A load that has a row.
     *
     * @param name what stands on its left, not HTML
     * @param tokensPerExpert {@code [N]}, not changed
     */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares rows
    public record Row(String name, long[] tokensPerExpert) {}

    /**
     * What the colours mean.
     *
     * @return all colours in a row with a word at each end, as HTML
     */
    public static String scale() {
        return "<div class=scale><span>a quarter of the even share or less</span><img alt=\"\" src=\"" + HeatMap.scale()
                + "\"><span>four times or more</span></div>\n";
    }

    /**
     * One load per row, experts from left to right.
     *
     * @param title what it shows, not HTML
     * @param note more of that, not HTML
     * @param what the same for who does not see it, not HTML
     * @param rows the loads, from the top; they may differ in length
     * @return a figure
     */
    public static String rows(String title, String note, String what, List<Row> rows) {
        List<long[]> loads = rows.stream().map(Row::tokensPerExpert).toList();
        int experts = loads.stream().mapToInt(load -> load.length).max().orElse(1);
        StringBuilder names = new StringBuilder();
        rows.forEach(
                row -> names.append("<span>").append(Html.escape(row.name())).append("</span>"));
        return Frame.caption(title, note, "") + "<div class=map><div class=rows>" + names + "</div>"
                + image(HeatMap.image(loads, true), ROW * rows.size(), what) + below("expert 0", "" + (experts - 1))
                + "</div></figure>\n";
    }

    /**
     * One load per column, from left to right, experts from the top.
     *
     * @param title what it shows, not HTML
     * @param note more of that, not HTML
     * @param what the same for who does not see it, not HTML
     * @param columns the loads, of the same experts
     * @param first what stands below the first, not HTML
     * @param last what stands below the last, not HTML
     * @return a figure
     */
    public static String columns(
            String title, String note, String what, List<long[]> columns, String first, String last) {
        int experts = columns.get(0).length;
        return Frame.caption(title, note, "")
                + "<div class=map><div class=side><span>0</span><span>expert</span><span>" + (experts - 1)
                + "</span></div>"
                + image(HeatMap.image(columns, false), Math.max(LEAST_HEIGHT, Math.min(MOST_HEIGHT, 2 * experts)), what)
                + below(first, last) + "</div></figure>\n";
    }

    private static String below(String first, String last) {
        return "<div class=below><span>" + Html.escape(first) + "</span><span>" + Html.escape(last) + "</span></div>";
    }

    private static String image(String url, int height, String what) {
        return "<img style=\"height:" + height + "px\" alt=\"" + Html.escape(what) + "\" src=\"" + url + "\">";
    }
}
