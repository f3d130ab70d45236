package ai.molae.djl.data.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Templates from strangers. */
class JinjaSandboxTest {

    private static final Map<String, Object> VARIABLES =
            Map.of("s", "text", "list", List.of(1, 2), "map", Map.of("a", 1), "f", (JinjaFunction) arguments -> "x");

    @ParameterizedTest
    @ValueSource(
            strings = {
                "s.getClass()",
                "s['getClass']()",
                "s.class.forName('java.lang.Runtime')",
                "s.__class__.__mro__",
                "map.getClass()",
                "map.a.getClass()",
                "map['class'].x",
                "list.stream()",
                "list.add(3)",
                "list.append(3)",
                "map.put('b', 2)",
                "map.update({})",
                "f.getClass()",
                "f.call([])",
                "range.getClass()",
                "namespace().getClass()",
                "list.getClass().getClassLoader()",
                "s.format.__globals__",
                "java.lang.System.exit(1)",
                "T('java.lang.Runtime')",
                "''.join.getClass()",
                "(1).getClass()",
                "true.getClass()",
                "none.getClass()",
                "[s]|map('getClass')|list"
            })
    void reachNothingOfJava(String expression) {
        assertThatThrownBy(() -> JinjaTemplate.parse("{{ " + expression + " }}").render(VARIABLES))
                .isInstanceOf(JinjaException.class);
    }

    @Test
    void seeMembersOfJavaAsUndefined() {
        assertThat(JinjaTemplate.parse(
                                "{{ s.bytes }}{{ list.class }}{{ map.size }}{{ map.entrySet is defined }}{{ f.x }}")
                        .render(VARIABLES))
                .isEqualTo("False");
    }

    @Test
    void doNotChangeTheirInput() {
        List<Object> list = new ArrayList<>(List.of(1));
        Map<String, Object> variables = new HashMap<>(Map.of("list", list));
        JinjaTemplate.parse("{% set list = list + [2] %}{{ list }}").render(variables);
        assertThat(list).containsExactly(1);
        assertThat(variables).containsOnlyKeys("list");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for i in range(10 ** 12) %}{% endfor %}",
                "{% for i in range(2000) %}{% for j in range(2000) %}{% for k in range(2000) %}{% endfor %}{% endfor %}{% endfor %}",
                "{{ 'a' * 10 ** 12 }}",
                "{{ [1] * 10 ** 12 }}",
                "{{ 10 ** 12 * 'ab' }}",
                "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
                "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
                "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
                "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
                "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
                "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}"
                        + "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
                "{% set x = 'a' * 1000000 %}{{ x.replace('a', x) }}",
                "{% set x = 'a' * 1000000 %}{{ x.replace('', x) }}",
                "{% set x = 'a' * 1000000 %}{{ x.join(range(100000)|map('string')|list) }}",
                "{% set x = 'a' * 1000000 %}{{ (x + 'b') in (x + x) }}",
                "{{ 'a'|indent(10 ** 12, true) }}",
                "{{ range(1000000)|map('string')|join|upper|list|sort|unique }}",
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}"
            })
    void areStoppedWhenTheyComputeTooMuch(String template) {
        JinjaTemplate parsed = JinjaTemplate.parse(template);
        assertThatThrownBy(() -> parsed.render(Map.of()))
                .isInstanceOf(JinjaException.class)
                .hasMessageMatching("(?s).*(computes too much|nested too deeply).*");
    }

    @Test
    void areStoppedWhenTheyAreNestedTooDeeply() {
        assertThatThrownBy(() -> JinjaTemplate.parse("{{ " + "(".repeat(100_000) + "1" + ")".repeat(100_000) + " }}"))
                .isInstanceOf(JinjaException.class)
                .hasMessageContaining("nested too deeply");
        assertThatThrownBy(() -> JinjaTemplate.parse("{% if true %}".repeat(100_000)))
                .isInstanceOf(JinjaException.class)
                .hasMessageContaining("nested too deeply");
    }

    @Test
    void mayWorkOnLongInput() {
        String content = "some words ".repeat(200_000);
        String template = "{% for m in messages %}{% if '</think>' in m.content %}x{% endif %}"
                + "{{ '<|im_start|>' + m.role + '\\n' + m.content.strip().replace('words', 'w') }}{% endfor %}";
        assertThat(JinjaTemplate.parse(template)
                        .render(Map.of("messages", List.of(Map.of("role", "user", "content", content)))))
                .hasSizeGreaterThan(1_000_000);
    }

    @Test
    void anIndexBehindADotThatFitsIntoNoNumberIsRefused() {
        assertThatThrownBy(() -> JinjaTemplate.parse("{{ m.9999999999999999999 }}"))
                .isInstanceOf(JinjaException.class)
                .hasMessageContaining("at most 18 digits");
    }
}
