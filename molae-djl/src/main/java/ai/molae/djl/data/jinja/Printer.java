package ai.molae.djl.data.jinja;

import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Values as text, as Python's {@code str} and {@code json.dumps} write them. */
final class Printer {

    private static final int MOST_INDENT = 16;

    private final StringBuilder out = new StringBuilder();
    private final Budget budget;
    private final boolean json;
    private final boolean ascii;
    private final boolean sorted;
    private final int indent;
    private final String comma;
    private final String colon;

    private Printer(Budget budget) {
        this(budget, false, false, false, -1, ", ", ": ");
    }

    private Printer(
            Budget budget, boolean json, boolean ascii, boolean sorted, int indent, String comma, String colon) {
        this.budget = budget;
        this.json = json;
        this.ascii = ascii;
        this.sorted = sorted;
        this.indent = indent;
        this.comma = comma;
        this.colon = colon;
    }

    /** As {@code str} does. */
    static String print(Object value, Budget budget) {
        if (value instanceof String text) {
            return text;
        }
        if (value instanceof Values.Undefined) {
            return "";
        }
        Printer printer = new Printer(budget);
        printer.value(value, 0);
        return printer.out.toString();
    }

    /** As Hugging Face's own {@code tojson} does, which keeps letters as they are and escapes nothing for HTML. */
    static String json(Object value, Arguments arguments, Budget budget) {
        Object[] bound = arguments.bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys");
        int indent = -1;
        if (!(bound[1] instanceof Values.Undefined) && !bound[1].equals(Values.NONE)) {
            indent = (int) Math.max(0, Math.min(Values.integer(bound[1]), MOST_INDENT + 1));
            if (indent > MOST_INDENT) {
                throw new JinjaException("tojson indents by at most " + MOST_INDENT + ", got " + bound[1]);
            }
        }
        String comma = indent < 0 ? ", " : ",";
        String colon = ": ";
        if (bound[2] instanceof List<?> separators && separators.size() == 2) {
            comma = Values.string(separators.get(0));
            colon = Values.string(separators.get(1));
        }
        Printer printer =
                new Printer(budget, true, Values.isTrue(bound[0]), Values.isTrue(bound[3]), indent, comma, colon);
        printer.value(value, 0);
        return printer.out.toString();
    }

    private void value(Object value, int depth) {
        budget.spend(1);
        if (value instanceof String text) {
            budget.spend(text.length());
            string(text);
        } else if (value instanceof Boolean bool) {
            out.append(json ? (bool ? "true" : "false") : (bool ? "True" : "False"));
        } else if (value instanceof Long) {
            out.append(value);
        } else if (value instanceof Double number) {
            out.append(number(number));
        } else if (value.equals(Values.NONE)) {
            out.append(json ? "null" : "None");
        } else if (value instanceof List<?> list) {
            list(list, depth);
        } else if (value instanceof Map<?, ?> map) {
            map(map, depth);
        } else if (json) {
            throw Values.fault("tojson needs a value", value);
        } else {
            out.append('<').append(Values.type(value)).append('>');
        }
    }

    private void list(List<?> list, int depth) {
        out.append('[');
        for (int i = 0; i < list.size(); i++) {
            out.append(i == 0 ? "" : comma);
            line(depth + 1);
            value(list.get(i), depth + 1);
        }
        if (!list.isEmpty()) {
            line(depth);
        }
        out.append(']');
    }

    private void map(Map<?, ?> map, int depth) {
        out.append('{');
        List<?> keys = sorted ? Operators.sort(List.copyOf(map.keySet()), budget) : List.copyOf(map.keySet());
        for (int i = 0; i < keys.size(); i++) {
            out.append(i == 0 ? "" : comma);
            line(depth + 1);
            Object key = keys.get(i);
            value(json ? print(key, budget) : key, depth + 1);
            out.append(colon);
            Object element = map.get(key);
            value(element == null ? Values.NONE : element, depth + 1);
        }
        if (!map.isEmpty()) {
            line(depth);
        }
        out.append('}');
    }

    private void line(int depth) {
        if (indent >= 0) {
            budget.spend((long) indent * depth);
            out.append('\n').append(" ".repeat(indent * depth));
        }
    }

    private void string(String text) {
        char quote = json || (text.contains("'") && !text.contains("\"")) ? '"' : '\'';
        out.append(quote);
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\\' -> out.append("\\\\");
                case '\b' -> out.append(json ? "\\b" : "\\x08");
                case '\f' -> out.append(json ? "\\f" : "\\x0c");
                default -> {
                    if (c == quote) {
                        out.append('\\').append(c);
                    } else if (c < ' ' || (c == 0x7f && !json) || (c > '~' && ascii)) {
                        out.append(String.format(Locale.ROOT, json ? "\\u%04x" : "\\x%02x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append(quote);
    }

    private static String number(double number) {
        if (Double.isNaN(number)) {
            return "nan";
        }
        if (Double.isInfinite(number)) {
            return number > 0 ? "inf" : "-inf";
        }
        // Python writes 1e-05 and 1e+16 where Java writes 1.0E-5 and 1.0E16; between them both write digits, Java up to
        // 1e7 only.
        double size = Math.abs(number);
        if (size >= 1e16 || (size < 1e-4 && size > 0)) {
            String[] parts = Double.toString(number).split("E", 2);
            int exponent = Integer.parseInt(parts[1]);
            return parts[0].replaceFirst("\\.0$", "")
                    + String.format(Locale.ROOT, "e%s%02d", exponent < 0 ? "-" : "+", Math.abs(exponent));
        }
        String digits =
                new BigDecimal(Double.toString(number)).stripTrailingZeros().toPlainString();
        return digits.contains(".") ? digits : digits + ".0";
    }
}
