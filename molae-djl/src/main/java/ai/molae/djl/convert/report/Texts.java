package ai.molae.djl.convert.report;

import ai.molae.djl.chart.Html;
import ai.molae.spec.ExpertOperator;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonPrimitive;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;

/** Texts and numbers of the reports. */
final class Texts {

    /** What is not known. */
    static final String UNKNOWN = Html.number(Double.NaN);

    static final Gson INDENTED = new GsonBuilder()
            .setPrettyPrinting()
            .serializeNulls()
            .disableHtmlEscaping()
            .create();

    static final Gson COMPACT =
            new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    private Texts() {}

    /** A text that is never markup, in one line. */
    static String markdown(String text) {
        StringBuilder escaped = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            if (Character.isISOControl(c)) {
                escaped.append(' ');
            } else if (c == '&') {
                escaped.append("&amp;");
            } else if (c == '<') {
                escaped.append("&lt;");
            } else {
                if ("\\`*_[]>|#~".indexOf(c) >= 0) {
                    escaped.append('\\');
                }
                escaped.appendCodePoint(c);
            }
        });
        return escaped.toString();
    }

    static String name(ExpertOperator operator) {
        return operator.name().toLowerCase(Locale.ROOT);
    }

    /** The colour of an operator's curves. */
    static int colour(ExpertOperator operator) {
        return switch (operator) {
            case GATE -> 0;
            case UP -> 1;
            case DOWN -> 2;
        };
    }

    /** A share as per cent. */
    static String percent(double share, int decimals) {
        return Double.isFinite(share) ? String.format(Locale.ROOT, "%." + decimals + "f %%", 100 * share) : UNKNOWN;
    }

    static String fixed(double value, int decimals) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%." + decimals + "f", value) : UNKNOWN;
    }

    /** With its sign. */
    static String difference(double value, int decimals) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%+." + decimals + "f", value) : UNKNOWN;
    }

    /** All digits, in threes. */
    static String count(long count) {
        return String.format(Locale.ROOT, "%,d", count);
    }

    /** JSON has no NaN. */
    static JsonElement json(double value) {
        return Double.isFinite(value) ? new JsonPrimitive(value) : JsonNull.INSTANCE;
    }

    /** "layer 3", "layers 0–2, 5". */
    static String layers(Collection<Integer> layers) {
        List<Integer> sorted = new ArrayList<>(new TreeSet<>(layers));
        StringBuilder text = new StringBuilder();
        int from = 0;
        while (from < sorted.size()) {
            int to = from;
            while (to + 1 < sorted.size() && sorted.get(to + 1) == sorted.get(to) + 1) {
                to++;
            }
            text.append(from == 0 ? "" : ", ").append(sorted.get(from));
            if (to > from) {
                text.append('–').append(sorted.get(to));
            }
            from = to + 1;
        }
        return (sorted.size() == 1 ? "layer " : "layers ") + text;
    }
}
