package ai.molae.djl.data.jinja;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.testing.ByteMutations;
import ai.molae.testing.Fuzz;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** Chat templates with something wrong, and templates made of nothing but pieces: a text within the budget, or a {@link JinjaException}. */
class JinjaFuzzTest {

    private static final List<String> FILES =
            List.of("chatml", "deepseek-v2", "deepseek-v3", "mixtral", "moonlight", "olmoe", "qwen3");
    private static final Pattern PIECE = Pattern.compile("\\{[{%#]-?|-?[}%#]}|\\w+|'[^']*'|\\s+|[^\\w\\s]");
    private static final List<String> NASTY = List.of(
            "range(1000000000)",
            "range(-1, 99999999999, 0)",
            "'x' * 1000000000",
            "[0] * 999999999",
            "9" + "9".repeat(50),
            "2 ** 99999",
            "1 // 0",
            "1 % 0",
            "-9223372036854775808 // -1",
            "messages * 100000",
            "(".repeat(5000),
            "[".repeat(5000),
            "not ".repeat(5000),
            "-".repeat(5000),
            "{% if true %}".repeat(3000),
            "{% for a in messages %}{% for b in range(9999) %}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{% set x = x + x %}",
            "messages[99999999999]",
            "messages[::0]",
            "messages[::-1]",
            "''.join(range(99999))",
            "'%s' % messages",
            "messages | tojson(indent=99999999)",
            "'a'.replace('', 'b' * 9999)",
            "namespace(a=1)",
            "loop.index",
            "loop(messages)",
            "messages | map('x') | list",
            "messages | sort | reverse",
            "x.__class__.__mro__",
            "self",
            "{% raw %}",
            "\\u0000",
            "\ud83d\ude00",
            "strftime_now('%" + "Y".repeat(5000) + "')");

    private final List<List<String>> templates = new ArrayList<>();

    private static List<String> pieces(String template) {
        List<String> pieces = new ArrayList<>();
        Matcher piece = PIECE.matcher(template);
        while (piece.find()) {
            pieces.add(piece.group());
        }
        return pieces;
    }

    private String changed(SplittableRandom random) {
        List<String> pieces = new ArrayList<>(templates.get(random.nextInt(templates.size())));
        List<String> others = templates.get(random.nextInt(templates.size()));
        for (int k = random.nextInt(5); k >= 0 && !pieces.isEmpty(); k--) {
            int at = random.nextInt(pieces.size());
            String other = others.get(random.nextInt(others.size()));
            switch (random.nextInt(7)) {
                case 0 -> pieces.remove(at);
                case 1 -> pieces.add(at, other);
                case 2 -> pieces.set(at, other);
                case 3 -> pieces.subList(at, Math.min(pieces.size(), at + random.nextInt(30)))
                        .clear();
                case 4 -> pieces.addAll(
                        at,
                        pieces.subList(at, Math.min(pieces.size(), at + 30)).stream()
                                .toList());
                case 5 -> pieces.add(at, "{{ " + nasty(random) + " }}");
                default -> pieces.set(at, nasty(random));
            }
        }
        return String.join("", pieces);
    }

    private static String nasty(SplittableRandom random) {
        return NASTY.get(random.nextInt(NASTY.size()));
    }

    @Test
    void templatesRenderOrAreRefused() throws IOException {
        for (String name : FILES) {
            try (InputStream in = getClass().getResourceAsStream("../chat/" + name + ".jinja")) {
                templates.add(pieces(new String(in.readAllBytes(), StandardCharsets.UTF_8)));
            }
        }
        List<Map<String, String>> messages = List.of(
                Map.of("role", "system", "content", "be brief"),
                Map.of("role", "user", "content", "hello \u00e4\ud83d\ude00"),
                Map.of("role", "assistant", "content", "<think>x</think>yes"));
        Fuzz.Tally tally = Fuzz.of("jinja", 1500)
                .refusedBy(JinjaException.class)
                .run(
                        random -> {
                            byte[] text = changed(random).getBytes(StandardCharsets.UTF_8);
                            return random.nextInt(5) == 0 ? ByteMutations.damage(text, random) : text;
                        },
                        bytes -> JinjaTemplate.parse(new String(bytes, StandardCharsets.UTF_8))
                                .render(Map.of(
                                        "messages",
                                        messages,
                                        "add_generation_prompt",
                                        true,
                                        "bos_token",
                                        "<s>",
                                        "eos_token",
                                        "</s>")));
        assertThat(Fuzz.isLong() || tally.worked() > 100).as("%s", tally).isTrue();
    }
}
