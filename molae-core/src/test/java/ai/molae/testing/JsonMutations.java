package ai.molae.testing;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Faults in JSON that still look like JSON: keys that are missing, repeated or called otherwise, values of another type, numbers that fit
 * nowhere, long texts, deep nesting. Works on text, so that what no JSON library would write, such as a key twice, can be made.
 */
public final class JsonMutations {

    private static final List<String> ODD = List.of(
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1",
            "-1",
            "2",
            "3",
            "0.5",
            "1.0",
            "1e2",
            "64",
            "4096",
            "65536",
            "268435456",
            "2147483647",
            "2147483648",
            "-2147483648",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "1e400",
            "-1e400",
            "1e-400",
            "1e999999999",
            "1e99999999999",
            "NaN",
            "Infinity",
            "-Infinity",
            "\"\"",
            "\" \"",
            "\"x\"",
            "\"NaN\"",
            "\"1\"",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "\"\u00e4\u6f22\ud83d\ude00\u202e\"",
            "\"../../../../etc/passwd\"",
            "\"/dev/zero\"",
            "\"C:\\\\x\"",
            "\"file:///etc/passwd\"",
            "[]",
            "{}",
            "[[]]",
            "[null]",
            "{\"\":null}",
            "[1,2,3]",
            "[-1]",
            "[1e400]",
            "[\"x\",1]");

    private final SplittableRandom random;
    private final List<Node> all = new ArrayList<>();

    /** A value: a text as it stands, or members whose keys are empty in a list. */
    private static final class Node {
        private String raw = "";
        private char open;
        private final List<String> keys = new ArrayList<>();
        private final List<Node> values = new ArrayList<>();
    }

    private JsonMutations(SplittableRandom random) {
        this.random = random;
    }

    /**
     * One to four faults in a valid text.
     *
     * @param json an object or a list
     * @param random decides
     * @return a text, mostly of valid syntax
     */
    public static String mutate(String json, SplittableRandom random) {
        JsonMutations mutations = new JsonMutations(random);
        Node root = new Reader(json).value();
        for (int k = random.nextInt(4); k >= 0; k--) {
            mutations.all.clear();
            mutations.collect(root);
            mutations.fault();
        }
        StringBuilder text = new StringBuilder();
        write(root, text);
        return text.toString();
    }

    private void collect(Node node) {
        if (node.open != 0) {
            all.add(node);
            node.values.forEach(this::collect);
        }
    }

    private void fault() {
        Node parent = pick(all);
        if (parent.values.isEmpty()) {
            add(parent, random.nextInt(3) == 0 ? "\"x\"" : key(), leaf(pick(ODD)));
            return;
        }
        int at = random.nextInt(parent.values.size());
        Node value = parent.values.get(at);
        switch (random.nextInt(11)) {
            case 0 -> {
                parent.keys.remove(at);
                parent.values.remove(at);
            }
            case 1 -> add(parent, parent.keys.get(at), random.nextBoolean() ? value : leaf(pick(ODD)));
            case 2 -> parent.keys.set(at, parent.open == '{' ? key() : "");
            case 3 -> {
                Node other = pick(all);
                if (!other.values.isEmpty() && !contains(pick(other.values), parent)) {
                    Node source = pick(other.values);
                    if (!contains(source, parent)) {
                        parent.values.set(at, source);
                    }
                }
            }
            case 4 -> parent.values.set(at, leaf(nested(value)));
            case 5 -> parent.values.set(at, leaf(large()));
            case 6 -> parent.values.set(at, leaf(nudged(value)));
            case 7 -> add(parent, parent.open == '{' ? key() : "", leaf(pick(ODD)));
            default -> parent.values.set(at, leaf(pick(ODD)));
        }
    }

    private static boolean contains(Node node, Node wanted) {
        return node == wanted || node.values.stream().anyMatch(value -> contains(value, wanted));
    }

    private static void add(Node parent, String key, Node value) {
        parent.keys.add(parent.open == '{' ? key : "");
        parent.values.add(value);
    }

    /** A key from somewhere in the text, sometimes with something wrong. */
    private String key() {
        List<String> keys = new ArrayList<>(List.of("\"x\"", "\"\"", "\"\\u0000\"", "\"__proto__\""));
        all.forEach(node -> node.keys.stream().filter(key -> !key.isEmpty()).forEach(keys::add));
        String key = pick(keys);
        return random.nextInt(4) == 0 ? "\"x" + key.substring(1) : key;
    }

    private String nested(Node value) {
        int depth = pick(List.of(1, 1, 1, 2, 50, 99, 101, 300, 20_000));
        StringBuilder inner = new StringBuilder();
        write(value, inner);
        return random.nextBoolean()
                ? "[".repeat(depth) + inner + "]".repeat(depth)
                : "{\"a\":".repeat(depth) + inner + "}".repeat(depth);
    }

    private String large() {
        return switch (random.nextInt(4)) {
            case 0 -> '"' + "x".repeat(100_000) + '"';
            case 1 -> "9".repeat(5_000);
            case 2 -> '[' + "1,".repeat(50_000) + "1]";
            default -> '"' + "\\u202e\u00e4".repeat(2_000) + '"';
        };
    }

    /** A number a little or much different, a text a little different. */
    private String nudged(Node value) {
        String raw = value.raw;
        if (raw.startsWith("\"")) {
            return switch (random.nextInt(4)) {
                case 0 -> "\"../" + raw.substring(1);
                case 1 -> "\"/" + raw.substring(1);
                case 2 -> raw.substring(0, raw.length() - 1) + "x\"";
                default -> raw.length() > 3 ? "\"" + raw.substring(2) : "\"\"";
            };
        }
        try {
            long number = Long.parseLong(raw);
            return switch (random.nextInt(6)) {
                case 0 -> "" + (number + 1);
                case 1 -> "" + (number - 1);
                case 2 -> "" + -number;
                case 3 -> "" + number * 1_000;
                case 4 -> number + ".5";
                default -> "\"" + number + "\"";
            };
        } catch (NumberFormatException e) {
            return pick(ODD);
        }
    }

    private <T> T pick(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    private static Node leaf(String raw) {
        Node node = new Node();
        node.raw = raw;
        return node;
    }

    private static void write(Node node, StringBuilder text) {
        if (node.open == 0) {
            text.append(node.raw);
            return;
        }
        text.append(node.open);
        for (int i = 0; i < node.values.size(); i++) {
            text.append(i == 0 ? "" : ",");
            if (node.open == '{') {
                text.append(node.keys.get(i)).append(':');
            }
            write(node.values.get(i), text);
        }
        text.append(node.open == '{' ? '}' : ']');
    }

    /** Reads valid JSON. */
    private static final class Reader {
        private final String text;
        private int at;

        Reader(String text) {
            this.text = text;
        }

        Node value() {
            space();
            Node node = new Node();
            char first = text.charAt(at);
            if (first != '{' && first != '[') {
                node.raw = scalar();
                return node;
            }
            node.open = first;
            at++;
            for (space(); text.charAt(at) != '}' && text.charAt(at) != ']'; space()) {
                String key = "";
                if (first == '{') {
                    key = scalar();
                    space();
                    at++; // the colon
                }
                node.keys.add(key);
                node.values.add(value());
                space();
                if (text.charAt(at) == ',') {
                    at++;
                }
            }
            at++;
            return node;
        }

        private String scalar() {
            int from = at;
            if (text.charAt(at) == '"') {
                for (at++; text.charAt(at) != '"'; at++) {
                    at += text.charAt(at) == '\\' ? 1 : 0;
                }
                at++;
            } else {
                while (at < text.length() && ",:]} \t\r\n".indexOf(text.charAt(at)) < 0) {
                    at++;
                }
            }
            return text.substring(from, at);
        }

        private void space() {
            while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
                at++;
            }
        }
    }
}
