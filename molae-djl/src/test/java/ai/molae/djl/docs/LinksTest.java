package ai.molae.djl.docs;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.testing.MarkdownFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Every link between documents leads somewhere, and every document can be found. */
class LinksTest {

    private static final Path ROOT = Path.of("..");

    @Test
    void everyRelativeLinkAndAnchorResolves() {
        List<String> broken = new ArrayList<>();
        for (MarkdownFile document : MarkdownFile.all(ROOT)) {
            for (String link : document.links()) {
                if (!link.startsWith("https://") && !resolves(document, link)) {
                    broken.add(document.name() + ": " + link);
                }
            }
        }
        assertThat(broken).isEmpty();
    }

    private static boolean resolves(MarkdownFile document, String link) {
        String[] parts = link.split("#", 2);
        Path target = parts[0].isEmpty() ? document.path() : document.path().resolveSibling(parts[0]);
        return Files.exists(target)
                && (parts.length == 1 || MarkdownFile.read(target).anchors().contains(parts[1]));
    }

    @Test
    void readmeLinksEveryDocument() {
        MarkdownFile readme = MarkdownFile.read(ROOT.resolve("README.md"));
        Set<String> linked = readme.links().stream()
                .map(link -> link.replaceFirst("#.*", ""))
                .collect(Collectors.toSet());
        assertThat(MarkdownFile.all(ROOT))
                .filteredOn(document -> !document.name().equals("README"))
                .extracting(document -> ROOT.relativize(document.path()).toString())
                .isSubsetOf(linked);
    }
}
