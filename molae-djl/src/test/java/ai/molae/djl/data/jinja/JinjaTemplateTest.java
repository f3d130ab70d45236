package ai.molae.djl.data.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JinjaTemplateTest {

    private static final Map<String, Object> VARIABLES = Map.of(
            "messages",
            List.of(
                    Map.of("role", "system", "content", " Be nice "),
                    Map.of("role", "user", "content", "hello"),
                    Map.of("role", "assistant", "content", "<think>hm</think>\n\nhi")),
            "n",
            3,
            "f",
            2.5,
            "nothing",
            Optional.empty(),
            "numbers",
            List.of(3, 1, 2, 1),
            "text",
            "abc def",
            "cjk",
            "日本語😀x",
            "empty",
            "");

    private static String render(String template) {
        return JinjaTemplate.parse(template).render(VARIABLES);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "1 + 2 * 3 - 4 / 2 | 5.0",
                "-7 // 2 | -4",
                "-7 % 3 | 2",
                "2 ** 3 ** 2 | 64",
                "'a' ~ 1 + 2 | ERROR",
                "'a' ~ 1 ~ 2 | a12",
                "'1' == 1 | False",
                "true == 1 | True",
                "1 < 2 < 3 | True",
                "3 > 2 > 2 | False",
                "empty or 'x' | x",
                "text and n | 3",
                "not empty and n | 3",
                "text if n > 2 else 'no' | abc def",
                "text if n > 5 | ``",
                "(n > 2) != (f > 2) | False",
                "'b' in text | True",
                "'z' not in text | True",
                "3 in numbers | True",
                "'role' in messages[0] | True",
                "'a' 'b' | ab",
                "'\\x41\\u00e9\\'' | Aé'",
                "[1, 'a', none, true] | [1, 'a', None, True]",
                "{'a': {'b': 1}}['a'].b | 1",
                "1e16 | 1e+16",
                "0.00001 | 1e-05",
                "123456789.5 | 123456789.5"
            })
    void computesAsPythonDoes(String expression, String expected) {
        if (expected.equals("ERROR")) {
            assertThatThrownBy(() -> render("{{ " + expression + " }}")).isInstanceOf(JinjaException.class);
        } else {
            assertThat(render("{{ " + expression + " }}")).isEqualTo(expected);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiterString = "=>",
            quoteCharacter = '`',
            value = {
                "messages[1:]|length => 2",
                "messages|length - 1 => 2",
                "messages[::-1][0].role => assistant",
                "messages[-1]['role'] => assistant",
                "messages[:-1]|map(attribute='role')|join(',') => system,user",
                "text[1:3] ~ text[-1] ~ text[::-1] ~ text[6:1:-2] => bcffed cbafdc",
                "cjk|length => 5",
                "cjk[3] ~ cjk[::-1] => 😀x😀語本日",
                "messages[0].content.strip()|upper => BE NICE",
                "'xyaxy'.lstrip('yx') => axy",
                "'a\\n\\n'.rstrip('\\n') => a",
                "text.startswith('abc') and text.endswith(('x', 'f')) => True",
                "messages[2].content.split('</think>')[-1].lstrip('\\n') => hi",
                "messages[2].content.split('</think>')[0].split('<think>')[-1] => hm",
                "' a b  c '.split()|length => 3",
                "'a,b,c'.split(',', 1)[1] => b,c",
                "'a,b,c'.rsplit(',', 1)[0] => a,b",
                "'aaa'.replace('a', 'b', 2) => bba",
                "'foo-bar BAZ'.title() => Foo-Bar Baz",
                "numbers|sort|join('-') => 1-1-2-3",
                "numbers|unique|list|length => 3",
                "numbers|first ~ numbers|last ~ numbers|max => 313",
                "' x '|trim => x",
                "missing|default('d') ~ empty|default('d') ~ empty|default('d', true) => dd",
                "messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|list => ['hello']",
                "numbers|reject('odd')|list => [2]",
                "'12'|int + 1 => 13",
                "'3.5'|int => 3",
                "0.0001 => 0.0001",
                "0.5 => 0.5"
            })
    void slicesCallsMethodsAndFilters(String expression, String expected) {
        assertThat(render("{{ " + expression + " }}")).isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({
        "missing is defined, False",
        "missing is not defined, True",
        "missing is not none, True",
        "messages[0].tool_calls is not none, True",
        "messages[0].tool_calls is defined, False",
        "nothing is none, True",
        "nothing is defined, True",
        "text is string and n is not string, True",
        "not text is defined, False",
        "n is odd and n is number, True",
        "n is divisibleby 3, True",
        "messages is sequence and messages[0] is mapping, True",
        "true is true, True",
        "n is gt 2, True",
        "missing ~ missing.x is defined, ERROR",
        "range is callable, True"
    })
    void testsWhatIsDefinedAndOfWhichKind(String expression, String expected) {
        if (expected.equals("ERROR")) {
            assertThatThrownBy(() -> render("{{ " + expression + " }}")).hasMessageContaining("'missing' is undefined");
        } else {
            assertThat(render("{{ " + expression + " }}")).isEqualTo(expected);
        }
    }

    @Test
    void writesJsonAsHuggingFaceDoes() {
        assertThat(JinjaTemplate.parse("{{ v|tojson }}\n{{ {'a': [1, {}]}|tojson(indent=2) }}")
                        .render(Map.of("v", List.of("é<&>\n\"", true, Optional.empty(), 1.0))))
                .isEqualTo("[\"é<&>\\n\\\"\", true, null, 1.0]\n{\n  \"a\": [\n    1,\n    {}\n  ]\n}");
    }

    @Test
    void loopsKnowWhereTheyAre() {
        assertThat(render("{% for i in numbers %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}"
                        + "{{ loop.last }}{{ loop.length }}{{ loop.previtem }}:{{ loop.nextitem }} {% endfor %}"))
                .isEqualTo("104TrueFalse4:1 213FalseFalse43:2 322FalseFalse41:1 431FalseTrue42: ");
        assertThat(render("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% else %}none{% endfor %}"))
                .isEqualTo("a1b2");
        assertThat(render("{% for i in [] %}x{% else %}none{% endfor %}")).isEqualTo("none");
        assertThat(render("{% for i in numbers if i > 1 %}{{ i }}/{{ loop.length }} {% endfor %}"))
                .isEqualTo("3/2 2/2 ");
        assertThat(render("{% for i in numbers %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}"
                        + "{% if i == 2 %}{% break %}{% endif %}{% endfor %}"))
                .isEqualTo("32");
    }

    @Test
    void whatALoopSetsIsGoneAfterItButNotWhatItSetsInANamespace() {
        assertThat(render("{% set x = 0 %}{% set ns = namespace(x=0) %}{% for i in numbers %}{% set x = x + i %}"
                        + "{% set ns.x = ns.x + i %}{% endfor %}{{ x }} {{ ns.x }}"))
                .isEqualTo("0 7");
        assertThat(render("{% if true %}{% set y = 5 %}{% endif %}{{ y }}")).isEqualTo("5");
    }

    @Test
    void setsBlocksAndDefinesMacros() {
        assertThat(render("{% set x %}hey {{ n }}{% endset %}[{{ x }}]{% set y | upper %}a{% endset %}{{ y }}"))
                .isEqualTo("[hey 3]A");
        assertThat(render("{% macro m(a, b='x') %}<{{ a }}{{ b }}{{ n }}>{% endmacro %}{{ m(1) }}{{ m(b=2, a=3) }}"))
                .isEqualTo("<1x3><323>");
    }

    @Test
    void treatsWhiteSpaceAsTrimBlocksAndLstripBlocksSay() {
        assertThat(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n")).isEqualTo("a\n  b\nc");
        assertThat(render("a\n  {%- if true -%}\n  b\n  {%- endif -%}\nc")).isEqualTo("abc");
        assertThat(render("a\n  {%+ if true +%}\n  b\n  {%+ endif %}\nc")).isEqualTo("a\n  \n  b\n  c");
        assertThat(render("a  {% if true %} b {% endif %} c")).isEqualTo("a   b  c");
        assertThat(render("  {{ n }}  \n  {{- n -}}  \n x")).isEqualTo("  33x");
        assertThat(render("  {# c #}\n{#- c -#}  \nx\n\n")).isEqualTo("x\n");
        assertThat(render("a\r\n{% if true %}\r\nb{% endif %}")).isEqualTo("a\nb");
        assertThat(render("{% raw %}{{ x }}{% if %}{% endraw %}y")).isEqualTo("{{ x }}{% if %}y");
        assertThat(render("{{ '}}' }}{% if '%}' %}{{ {'a': {}}['a'] }}{% endif %}"))
                .isEqualTo("}}{}");
        assertThat(render("{% generation %}\nx{% endgeneration %}")).isEqualTo("x");
    }

    @ParameterizedTest
    @CsvSource(
            delimiterString = "=>",
            quoteCharacter = '`',
            value = {
                "{{ n => a tag has no end }} (line 1",
                "x↵{% if n %} => {% if %} has no end: one of [",
                "{% endif %} => there is no tag 'endif' here",
                "↵↵{% include 'x' %} => there is no tag 'include' here; known are if, for",
                "{{ n$ }} => unexpected character '$'",
                "{{ n~foo() }} => 'foo' is undefined (line 1 of the template)",
                "{{ ) }} => unexpected ')' in a tag",
                "{{ * }} => expected an expression, got '*'",
                "{{ 'a }} => a string has no end '",
                "{# a => a comment {# has no end #}",
                "↵{{ messages.x.y }} => a list has no 'x', which is undefined, so it has no 'y' (line 2",
                "{{ n + text }} => '+' does not work on the number 3 and a text",
                "{{ n / 0 }} => division by zero",
                "{% set x.y = 1 %} => 'x' is no namespace",
                "{% break %} => 'break' stands outside of a loop",
                "{{ 'a'.split('') }} => split needs a separator that is not empty",
                "{{ 'a'.strip(1, 2) }} => strip takes at most 1 arguments, got 2",
                "{{ 'a'.strip(b=2) }} => strip takes the arguments [chars], got 0 by position and [b]",
                "{{ 9223372036854775807 + 1 }} => beyond 64 bits",
                "{{ missing|tojson }} => 'missing' is undefined"
            })
    void tellsFaultsWithTheirLine(String template, String message) {
        assertThatThrownBy(() -> render(template.replace('↵', '\n')))
                .isInstanceOf(JinjaException.class)
                .hasMessageContaining(message);
    }

    @Test
    void unknownFiltersAndTestsAreFaultsEvenWhereTheyAreNotReached() {
        assertThatThrownBy(() -> JinjaTemplate.parse("{% if false %}{{ n|frob }}{% endif %}"))
                .hasMessage("there is no filter 'frob' (line 1 of the template)");
        assertThatThrownBy(() -> JinjaTemplate.parse("\n{% if n is frobbed %}{% endif %}"))
                .hasMessage("there is no test 'frobbed' (line 2 of the template)");
    }

    @Test
    void callsTheFunctionsItIsGiven() {
        JinjaFunction join = arguments -> arguments.get(0) + "/" + arguments.get(1);
        assertThat(JinjaTemplate.parse("{{ f('a', 1) }}").render(Map.of("f", join)))
                .isEqualTo("a/1");
        assertThatThrownBy(() -> JinjaTemplate.parse("{{ f(x=1) }}").render(Map.of("f", join)))
                .hasMessageContaining("takes no arguments by name, got [x]");
    }

    @Test
    void letsNoOtherObjectsIn() {
        JinjaTemplate template = JinjaTemplate.parse("{{ x }}");
        assertThatThrownBy(() -> template.render(Map.of("x", new StringBuilder())))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("class java.lang.StringBuilder");
    }
}
