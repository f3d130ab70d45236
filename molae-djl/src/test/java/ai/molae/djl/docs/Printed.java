package ai.molae.djl.docs;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.testing.MarkdownFile.Block;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * What a document says an example prints, beside what it did print. Lines must be there in their order; whole numbers must be equal and others
 * within a fifth, because machines round otherwise. Comments before the block change that:
 *
 * <pre>
 *   numbers only: why      lines without numbers are left out: what a model writes differs from machine to machine
 *   at least: why          numbers must be as large or larger
 *   at most: why           numbers must be as large or smaller
 * </pre>
 */
final class Printed {

    private static final Pattern NUMBER = Pattern.compile("-?\\d+(\\.\\d+)?(E-?\\d+)?");
    private static final double TOLERANCE = 0.2;

    private Printed() {}

    /** Fails unless an output has all lines of a block. */
    static void check(Block shown, String output) {
        Iterator<String> printed = output.lines().iterator();
        for (String line : shown.text().lines().toList()) {
            if (line.isBlank()
                    || (shown.said("numbers only").isPresent()
                            && !NUMBER.matcher(line).find())) {
                continue;
            }
            boolean found = false;
            while (!found && printed.hasNext()) {
                found = agree(shown, line, printed.next());
            }
            assertThat(found)
                    .as("the text of line %d shows \"%s\", the example printed: %s", shown.line(), line, output)
                    .isTrue();
        }
    }

    private static boolean agree(Block block, String shown, String printed) {
        if (!words(shown).equals(words(printed))) {
            return false;
        }
        List<String> expected = numbers(shown);
        List<String> actual = numbers(printed);
        return IntStream.range(0, expected.size()).allMatch(i -> within(block, expected.get(i), actual.get(i)));
    }

    private static boolean within(Block block, String shown, String printed) {
        double expected = Double.parseDouble(shown);
        double actual = Double.parseDouble(printed);
        if (block.said("at least").isPresent()) {
            return actual >= expected;
        }
        if (block.said("at most").isPresent()) {
            return actual <= expected;
        }
        double tolerance = shown.matches("-?\\d+") ? 0 : TOLERANCE * Math.abs(expected);
        return Math.abs(expected - actual) <= tolerance;
    }

    private static String words(String line) {
        return NUMBER.matcher(line).replaceAll("#").strip();
    }

    private static List<String> numbers(String line) {
        List<String> numbers = new ArrayList<>();
        NUMBER.matcher(line).results().map(MatchResult::group).forEach(numbers::add);
        return numbers;
    }
}
