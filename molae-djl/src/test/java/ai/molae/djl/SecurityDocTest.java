package ai.molae.djl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The limits in SECURITY.md are those of the code. */
class SecurityDocTest {

    private static final Pattern ROW = Pattern.compile("\\| .* \\| (\\d+) \\| (ai\\.molae\\.[\\w.]+)\\.(\\w+) \\|");

    @Test
    void everyLimitHasTheNumberOfItsConstant() throws IOException, ReflectiveOperationException {
        List<String> names = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of("..", "SECURITY.md"))) {
            Matcher row = ROW.matcher(line);
            if (row.matches()) {
                Field constant = Class.forName(row.group(2)).getDeclaredField(row.group(3));
                constant.setAccessible(true);
                assertThat(((Number) constant.get(null)).longValue())
                        .as(constant.toString())
                        .isEqualTo(Long.parseLong(row.group(1)));
                names.add(row.group(3));
            }
        }
        assertThat(names)
                .contains("SETTINGS", "LISTS", "VOCABULARY", "MAX_BYTES", "DEEPEST", "PARAMETERS")
                .hasSize(12);
    }
}
