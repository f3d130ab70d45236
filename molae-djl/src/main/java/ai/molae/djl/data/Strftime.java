package ai.molae.djl.data;

import ai.molae.djl.data.jinja.JinjaException;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;

/** Dates in the notation of C and Python, in English. */
final class Strftime {

    private static final Map<String, String> PATTERNS = Map.ofEntries(
            Map.entry("a", "EEE"),
            Map.entry("A", "EEEE"),
            Map.entry("b", "MMM"),
            Map.entry("B", "MMMM"),
            Map.entry("d", "dd"),
            Map.entry("-d", "d"),
            Map.entry("m", "MM"),
            Map.entry("-m", "M"),
            Map.entry("y", "yy"),
            Map.entry("Y", "yyyy"),
            Map.entry("j", "DDD"),
            Map.entry("H", "HH"),
            Map.entry("-H", "H"),
            Map.entry("I", "hh"),
            Map.entry("-I", "h"),
            Map.entry("M", "mm"),
            Map.entry("S", "ss"),
            Map.entry("p", "a"),
            Map.entry("Z", "zzz"),
            Map.entry("z", "xx"),
            Map.entry("F", "yyyy-MM-dd"),
            Map.entry("T", "HH:mm:ss"));

    private Strftime() {}

    static String format(ZonedDateTime time, String format) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            if (format.charAt(i) != '%') {
                text.append(format.charAt(i));
                continue;
            }
            int end = Math.min(format.length(), i + (format.startsWith("-", i + 1) ? 3 : 2));
            String directive = format.substring(i + 1, end);
            if (directive.equals("%")) {
                text.append('%');
            } else if (PATTERNS.containsKey(directive)) {
                text.append(DateTimeFormatter.ofPattern(PATTERNS.get(directive), Locale.ENGLISH)
                        .format(time));
            } else {
                throw new JinjaException("strftime_now does not know %" + directive + " in '" + format + "'");
            }
            i = end - 1;
        }
        return text.toString();
    }
}
