package ai.molae.djl.data.jinja;

import java.util.Collection;
import java.util.Map;

/**
 * A template compiled once. What it has of Jinja: output, {@code if}, {@code for} with {@code loop}, {@code set}, {@code macro}, {@code break},
 * {@code continue}, {@code generation} (Hugging Face's mark, without effect) and {@code raw}; all operators; slices; the filters, tests and
 * methods that chat templates use. White space is handled with {@code trim_blocks} and {@code lstrip_blocks}. There is no escaping for HTML and
 * no access to files, to other templates or to Java.
 *
 * <p>Immutable and safe for concurrent use.
 */
public final class JinjaTemplate {

    private static final long LEAST_BUDGET = 4_000_000;
    private static final long BUDGET_PER_INPUT = 128;
    private static final String TOO_DEEP = "the template is nested too deeply, or calls itself without end";

    private final Statement body;

    private JinjaTemplate(Statement body) {
        this.body = body;
    }

    /**
     * Compiles a template.
     *
     * @param source its text
     * @return the template
     * @throws JinjaException if the syntax is wrong, or a tag, filter or test is unknown
     */
    public static JinjaTemplate parse(String source) {
        try {
            return new JinjaTemplate(new StatementParser(Lexer.split(source)).template());
        } catch (StackOverflowError e) {
            throw new JinjaException(TOO_DEEP);
        }
    }

    /**
     * Renders the template.
     *
     * @param variables what it sees, by name: text, numbers, truth values, lists and maps of them, {@link JinjaFunction}s, and an empty
     *     {@link java.util.Optional} for None; copied
     * @return the text
     * @throws JinjaException if the template does something that does not work with these values, or computes more than about a hundred steps
     *     per character of input and some millions beside
     * @throws IllegalArgumentException if a variable is of another kind
     */
    public String render(Map<String, ?> variables) {
        Scope scope = new Scope(new Budget(LEAST_BUDGET + BUDGET_PER_INPUT * size(variables)));
        Globals.define(scope);
        variables.forEach((name, value) -> scope.set(name, Values.of(value)));
        StringBuilder out = new StringBuilder();
        try {
            body.run(scope, out);
        } catch (StackOverflowError e) {
            throw new JinjaException(TOO_DEEP);
        }
        return out.toString();
    }

    private static long size(Object value) {
        long size = 10;
        if (value instanceof String text) {
            size += text.length();
        } else if (value instanceof Collection<?> collection) {
            for (Object element : collection) {
                size += size(element);
            }
        } else if (value instanceof Map<?, ?> map) {
            size += size(map.values()) + size(map.keySet());
        }
        return size;
    }
}
