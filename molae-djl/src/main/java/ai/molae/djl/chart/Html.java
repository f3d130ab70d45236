package ai.molae.djl.chart;

import java.util.Locale;

/** Texts and numbers of a page. */
public final class Html {

    private static final String[] THOUSANDS = {"", "k", "M", "G", "T"};

    private Html() {}

    /**
     * A text that is never markup.
     *
     * @param text any text
     * @return the same as HTML, for elements and quoted attributes
     */
    public static String escape(String text) {
        StringBuilder escaped = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            switch (c) {
                case '&' -> escaped.append("&amp;");
                case '<' -> escaped.append("&lt;");
                case '>' -> escaped.append("&gt;");
                case '"' -> escaped.append("&quot;");
                case '\'' -> escaped.append("&#39;");
                default -> escaped.appendCodePoint(c);
            }
        });
        return escaped.toString();
    }

    /**
     * Four significant digits: 1.234, 0.0001234, 12.34k, 1.5e-9.
     *
     * @param value any number
     * @return a short text; a dash for what is not finite
     */
    public static String number(double value) {
        if (!Double.isFinite(value)) {
            return "–";
        }
        double size = Math.abs(value);
        if (size == 0) {
            return "0";
        }
        if (size < 1e-3 || size >= 1e15) {
            return trimmed(String.format(Locale.ROOT, "%.3e", value))
                    .replaceAll("e([+-])0*(\\d)", "e$1$2")
                    .replace("e+", "e");
        }
        int thousands = 0;
        double scaled = value;
        while (Math.abs(scaled) >= 9999.5 / (thousands == 0 ? 1 : 10) && thousands < THOUSANDS.length - 1) {
            scaled /= 1000;
            thousands++;
        }
        int before = (int) Math.floor(Math.log10(Math.abs(scaled))) + 1;
        int decimals = Math.max(0, Math.min(6, 4 - before));
        return trimmed(String.format(Locale.ROOT, "%." + decimals + "f", scaled)) + THOUSANDS[thousands];
    }

    /** Without zeros at the end of a fraction, before the exponent if there is one. */
    private static String trimmed(String number) {
        return number.replaceAll("(\\.\\d*?)0+(?=e|$)", "$1").replaceAll("\\.(?=e|$)", "");
    }
}
