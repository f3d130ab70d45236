package ai.molae.consumer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ReadmeTest {

    private static final String POM = "```xml\n<artifactId>molae-bom</artifactId>\n```\n";
    private static final String IMPORTS = "```java\nimport java.util.*;\n\nimport java.nio.file.Path;\n```\n";
    private static final String STATEMENT = "```java\nList.of();\n```\n";

    @Test
    void takesTheBlocksFromBetweenTheirFences() {
        Readme readme = Readme.of(
                "Text\n" + POM + "```xml\n<other/>\n```\n" + IMPORTS + STATEMENT + "```text\nout\n```\n" + STATEMENT);

        assertThat(readme.pom()).isEqualTo("<artifactId>molae-bom</artifactId>\n");
        assertThat(readme.imports()).isEqualTo("import java.util.*;\n\nimport java.nio.file.Path;\n");
        assertThat(readme.statements()).containsExactly("List.of();\n", "List.of();\n");
    }

    @Test
    void refusesADocumentThatLacksAKindOfBlock() {
        for (String lacking : new String[] {"", POM + IMPORTS, POM + STATEMENT, IMPORTS + STATEMENT}) {
            assertThatThrownBy(() -> Readme.of(lacking))
                    .as(lacking)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("README.md should have");
        }
    }
}
