package ai.molae.djl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Holds docs/reliability.md to the tests: what it says is proven by a test has one. */
class ReliabilityDocTest {

    private static final Path ROOT = Path.of("..");

    private static final Pattern NAMED = Pattern.compile("`([A-Z]\\w*Test)#(\\w+)`");

    private static final Pattern DISABLED = Pattern.compile("(?m)^\\s*@Disabled");

    private static String doc = "";

    /** The tables of faults, not that of the figures. */
    private static List<String> rows = List.of();

    @BeforeAll
    static void read() throws IOException {
        doc = Files.readString(ROOT.resolve("docs/reliability.md"));
        rows = doc.substring(doc.indexOf("\n## Specs"))
                .lines()
                .filter(line -> line.startsWith("| ") && !line.startsWith("| ---"))
                .filter(line -> !line.endsWith("| test |"))
                .toList();
    }

    private static List<MatchResult> named(String text) {
        return NAMED.matcher(text).results().toList();
    }

    /** Sources by class, of all modules; those of one name together. */
    private static Map<String, String> tests() throws IOException {
        Map<String, String> sources = new HashMap<>();
        for (String module : List.of("molae-core", "molae-djl", "molae-cli", "molae-bench")) {
            try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src/test/java"))) {
                for (Path file : files.filter(path -> path.toString().endsWith("Test.java"))
                        .toList()) {
                    sources.merge(
                            file.getFileName().toString().replace(".java", ""),
                            Files.readString(file),
                            (one, other) -> one + "\n\n" + other);
                }
            }
        }
        return sources;
    }

    @Test
    void everyTestThatIsNamedExistsAndRuns() throws IOException {
        Map<String, String> tests = tests();
        List<String> missing = new ArrayList<>();
        for (MatchResult name : named(doc)) {
            String source = tests.getOrDefault(name.group(1), "");
            int at = source.indexOf("void " + name.group(2) + "(");
            int before = Math.max(source.lastIndexOf("\n\n", at), 0);
            String annotations = at < 0 ? "" : source.substring(before, at);
            boolean runs = (annotations.contains("@Test") || annotations.contains("@ParameterizedTest"))
                    && !DISABLED.matcher(source).find();
            if (!runs) {
                missing.add(name.group());
            }
        }
        assertThat(missing).isEmpty();
    }

    @Test
    void everyRowNamesATest() {
        assertThat(rows).hasSizeGreaterThan(50);
        assertThat(rows).allSatisfy(row -> assertThat(named(row)).as(row).isNotEmpty());
    }

    @Test
    void theFiguresAreThoseOfTheTables() {
        Set<String> tests = new HashSet<>();
        named(doc.substring(doc.indexOf("\n## Specs"))).forEach(name -> tests.add(name.group()));
        assertThat(doc)
                .contains("| kinds of bad input and faults in the tables below | " + rows.size() + " |")
                .contains("| tests named below | " + tests.size() + " |");
    }
}
