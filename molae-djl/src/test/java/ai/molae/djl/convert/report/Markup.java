package ai.molae.djl.convert.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What every page must be. */
final class Markup {

    private static final Pattern TAG = Pattern.compile("<(/?)([a-zA-Z0-9]+)((?:\"[^\"]*\"|[^\">])*)>");
    private static final Set<String> EMPTY = Set.of("meta", "img");

    private Markup() {}

    /** Every element is closed in its turn, every {@code <} begins one, and nothing is loaded or run. */
    static void assertPage(String html) {
        assertThat(html).startsWith("<!DOCTYPE html>\n").endsWith("</html>\n");
        String body = html.substring(html.indexOf('\n')).replaceAll("(?s)<style>.*</style>", "");
        Deque<String> open = new ArrayDeque<>();
        Matcher tag = TAG.matcher(body);
        while (tag.find()) {
            String name = tag.group(2);
            if (!tag.group(1).isEmpty()) {
                assertThat(open.poll()).as("closed at %d", tag.start()).isEqualTo(name);
            } else if (!EMPTY.contains(name) && !tag.group(3).endsWith("/")) {
                open.push(name);
            }
        }
        assertThat(open).isEmpty();
        assertThat(tag.replaceAll("")).doesNotContain("<", ">");
        assertThat(html)
                .doesNotContain("<script", "http:", "https:", "url(", "@import", "<link", "onclick", "NaN", "Infinity")
                .contains("prefers-color-scheme: dark");
    }
}
