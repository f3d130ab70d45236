package ai.molae.consumer;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What README.md tells a user to copy.
 *
 * @param pom its block of XML: properties, dependencies and profiles
 * @param imports its block of imports
 * @param statements its other blocks of Java, each complete in itself
 */
record Readme(String pom, String imports, List<String> statements) {

    private static final Pattern BLOCK = Pattern.compile("^```(\\w+)\\n(.*?)^```$", Pattern.MULTILINE | Pattern.DOTALL);

    /**
     * Reads this repository's.
     *
     * @return its blocks
     */
    static Readme read() throws IOException {
        return of(Files.readString(Path.of(System.getProperty("consumers.readme"))));
    }

    /**
     * Takes a document apart.
     *
     * @param markdown its text
     * @return its blocks
     * @throws IllegalArgumentException if one of the three kinds is missing, or there are two blocks of imports or with molae-bom
     */
    static Readme of(String markdown) {
        List<String> poms = blocks("xml", markdown).stream()
                .filter(block -> block.contains("<artifactId>molae-bom</artifactId>"))
                .toList();
        List<String> imports =
                blocks("java", markdown).stream().filter(Readme::isImports).toList();
        List<String> statements = blocks("java", markdown).stream()
                .filter(block -> !isImports(block))
                .toList();
        if (poms.size() != 1 || imports.size() != 1 || statements.isEmpty()) {
            throw new IllegalArgumentException(
                    "README.md should have one block of xml with molae-bom, one of java with imports only, and "
                            + "others of java that use them, but has " + poms.size() + ", " + imports.size() + " and "
                            + statements.size() + ".");
        }
        return new Readme(poms.get(0), imports.get(0), statements);
    }

    /**
     * A program that runs the blocks one after the other and says after each that it has.
     *
     * @param name the class's name
     * @return its source
     */
    String program(String name) {
        String methods = IntStream.rangeClosed(1, statements.size())
                .mapToObj(i -> "static void block" + i + "() throws Exception {\n" + statements.get(i - 1) + "}\n")
                .collect(Collectors.joining("\n"));
        String calls = IntStream.rangeClosed(1, statements.size())
                .mapToObj(i -> "block" + i + "();\nSystem.out.println(\"" + ran(i) + "\");\n")
                .collect(Collectors.joining());
        return imports + "\npublic class " + name + " {\npublic static void main(String[] args) throws Exception {\n"
                + calls + "}\n\n" + methods + "}\n";
    }

    /**
     * What the program prints after a block.
     *
     * @param block which, from 1
     * @return a line
     */
    static String ran(int block) {
        return "README's block " + block + " has run.";
    }

    private static boolean isImports(String block) {
        return block.lines().allMatch(line -> line.isBlank() || line.startsWith("import "));
    }

    private static List<String> blocks(String language, String markdown) {
        return BLOCK.matcher(markdown)
                .results()
                .filter(match -> match.group(1).equals(language))
                .map(match -> match.group(2))
                .toList();
    }
}
