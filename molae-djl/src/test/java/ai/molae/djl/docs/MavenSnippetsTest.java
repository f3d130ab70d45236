package ai.molae.djl.docs;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Model;
import ai.molae.testing.MarkdownFile;
import ai.molae.testing.MarkdownFile.Block;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

/** What the documents say for Maven agrees with the poms: versions, platforms, profiles and properties. */
class MavenSnippetsTest {

    private static final Path ROOT = Path.of("..");
    private static final Pattern OF_PLUGINS = Pattern.compile(
            "test|skipTests|newVersion|generateBackupPoms|processAllModules|altDeploymentRepository|molae\\.fuzz\\.(seconds|seed|case)|(maven|surefire|gpg)\\..*");
    private static final Pattern WORD = Pattern.compile("-(D|P|pl )([\\w.,-]+)");

    @Test
    void everyXmlBlockIsWellFormed() throws Exception {
        for (MarkdownFile document : MarkdownFile.all(ROOT)) {
            for (Block block : document.blocks()) {
                if (block.language().equals("xml")) {
                    assertThat(parse("<project>" + block.text() + "</project>").getDocumentElement())
                            .isNotNull();
                }
            }
        }
    }

    @Test
    void readmeNamesThisVersionOnceAndNoOther() throws Exception {
        Document snippets = readme();
        String version = text(parse(Files.readString(ROOT.resolve("pom.xml"))).getDocumentElement(), "version");
        assertThat(texts(snippets, "version")).containsExactly(version);
        assertThat(dependencies(snippets)).contains("ai.molae:molae-bom", "ai.molae:molae-djl");
    }

    @Test
    void whatReadmeTakesFromTheBomHasItsVersionThere() throws Exception {
        String djlBom = Files.readString(localRepository("ai/djl/bom"));
        for (String dependency : dependencies(readme())) {
            String artifact = dependency.split(":")[1];
            String managed =
                    dependency.startsWith("ai.molae") ? Files.readString(ROOT.resolve("molae-bom/pom.xml")) : djlBom;
            assertThat(artifact.equals("molae-bom") || managed.contains("<artifactId>" + artifact + "</artifactId>"))
                    .as(dependency)
                    .isTrue();
        }
    }

    /** DJL's BOM, beside the jar of its API. */
    private static Path localRepository(String artifact) throws Exception {
        Path api = Path.of(
                Model.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        String version = api.getParent().getFileName().toString();
        Path repository = api.resolveSibling("../../../../").normalize();
        return repository.resolve(artifact).resolve(version).resolve("bom-" + version + ".pom");
    }

    @Test
    void thePlatformsAreThoseOfTheBuild() throws Exception {
        Set<String> built =
                new TreeSet<>(texts(parse(Files.readString(ROOT.resolve("pom.xml"))), "djl.native.classifier"));
        Document snippets = snippets("README.md", "docs/gpu-and-offline.md");
        assertThat(new TreeSet<>(texts(snippets, "pytorch.platform"))).isEqualTo(built);
        assertThat(texts(snippets, "id")).isSubsetOf(built);
    }

    /** {@code mvn} lines name profiles, properties and modules that exist. */
    @Test
    void mavenLinesNameWhatThePomsKnow() throws Exception {
        StringBuilder poms = new StringBuilder();
        try (Stream<Path> files = Files.walk(ROOT, 2)) {
            for (Path pom : files.filter(file -> file.endsWith("pom.xml")).toList()) {
                poms.append(Files.readString(pom));
            }
        }
        List<String> lines = new ArrayList<>();
        for (MarkdownFile document : MarkdownFile.all(ROOT)) {
            document.blocks().stream()
                    .flatMap(block -> block.text().lines())
                    .filter(line -> line.strip().startsWith("mvn "))
                    .forEach(lines::add);
            for (String line : document.prose()) {
                Pattern.compile("`(mvn [^`]*)`").matcher(line).results().forEach(match -> lines.add(match.group(1)));
            }
        }
        assertThat(lines).hasSizeGreaterThan(5);
        for (String line : lines) {
            Matcher words = WORD.matcher(line.replaceFirst(" #.*", ""));
            while (words.find()) {
                for (String name : words.group(2).split(",")) {
                    assertThat(known(poms.toString(), words.group(1).strip(), name))
                            .as("%s in: %s", name, line)
                            .isTrue();
                }
            }
        }
    }

    private static boolean known(String poms, String option, String name) {
        return switch (option) {
            case "P" -> poms.contains("<id>" + name + "</id>");
            case "pl" -> Files.exists(ROOT.resolve(name).resolve("pom.xml"));
            default -> OF_PLUGINS.matcher(name).matches()
                    || poms.contains("<name>" + name + "</name>")
                    || poms.contains("<name>!" + name + "</name>")
                    || poms.contains("<" + name + ">")
                    || poms.contains("${" + name + "}");
        };
    }

    private static Document readme() throws Exception {
        return snippets("README.md");
    }

    private static Document snippets(String... documents) throws Exception {
        StringBuilder text = new StringBuilder();
        for (String document : documents) {
            MarkdownFile.read(ROOT.resolve(document)).blocks().stream()
                    .filter(block -> block.language().equals("xml"))
                    .forEach(block -> text.append(block.text()));
        }
        return parse("<project>" + text + "</project>");
    }

    private static Set<String> dependencies(Document document) {
        Set<String> names = new LinkedHashSet<>();
        NodeList elements = document.getElementsByTagName("dependency");
        for (int i = 0; i < elements.getLength(); i++) {
            Element element = (Element) elements.item(i);
            names.add(text(element, "groupId") + ":" + text(element, "artifactId"));
        }
        return names;
    }

    private static String text(Element parent, String name) {
        for (Node child = parent.getFirstChild(); child != null; child = child.getNextSibling()) {
            if (child.getNodeName().equals(name)) {
                return child.getTextContent();
            }
        }
        throw new AssertionError("no " + name + " in " + parent.getTextContent());
    }

    private static List<String> texts(Document document, String name) {
        List<String> texts = new ArrayList<>();
        NodeList elements = document.getElementsByTagName(name);
        for (int i = 0; i < elements.getLength(); i++) {
            texts.add(elements.item(i).getTextContent());
        }
        return texts;
    }

    private static Document parse(String text) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(text)));
    }
}
