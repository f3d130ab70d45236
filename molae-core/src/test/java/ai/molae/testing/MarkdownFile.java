package ai.molae.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A document of this repository, as far as its tests look at it: blocks of code, headings and links.
 *
 * @param path the file
 * @param blocks its blocks of code, from the top
 * @param prose the lines outside of blocks
 */
public record MarkdownFile(Path path, List<Block> blocks, List<String> prose) {

    private static final Pattern LINK = Pattern.compile("!?\\[[^\\]]*\\]\\(([^)\\s]+)\\)");
    private static final Pattern COMMENT = Pattern.compile("<!--(.*?)-->");

    /**
     * A fenced or indented block of code.
     *
     * @param language the word behind the fence; empty if there is none
     * @param text the lines between the fences, each with its end
     * @param comment the HTML comment on the line before, which says how the block is to be tested
     * @param line where its first line stands, from 1
     */
    public record Block(String language, String text, Optional<String> comment, int line) {

        /**
         * What a comment says behind a word: {@code <!-- word: this -->}.
         *
         * @param word what it begins with
         * @return the rest; empty if there is no such comment
         */
        public Optional<String> said(String word) {
            return comment.filter(text -> text.startsWith(word + ":"))
                    .map(text -> text.substring(word.length() + 1).strip());
        }
    }

    /**
     * Reads a document.
     *
     * @param path the file
     * @return its parts
     */
    public static MarkdownFile read(Path path) {
        List<Block> blocks = new ArrayList<>();
        List<String> prose = new ArrayList<>();
        Optional<String> comment = Optional.empty();
        List<String> lines = lines(path);
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            if (line.startsWith("```")) {
                int end = i + 1;
                while (!lines.get(end).equals("```")) {
                    end++;
                }
                blocks.add(new Block(line.substring(3).strip(), joined(lines.subList(i + 1, end)), comment, i + 2));
                i = end;
                comment = Optional.empty();
            } else if (line.startsWith("    ") && (i == 0 || lines.get(i - 1).isBlank())) {
                int end = i;
                while (end < lines.size() && line.startsWith("    ")) {
                    line = ++end < lines.size() ? lines.get(end) : "";
                }
                blocks.add(new Block("", joined(lines.subList(i, end)).indent(-4), comment, i + 1));
                i = end - 1;
                comment = Optional.empty();
            } else {
                prose.add(line);
                if (!line.isBlank()) {
                    comment = COMMENT.matcher(line)
                            .results()
                            .reduce((first, second) -> second)
                            .map(match -> match.group(1).strip());
                }
            }
        }
        return new MarkdownFile(path, List.copyOf(blocks), List.copyOf(prose));
    }

    /**
     * README.md, CONTRIBUTING.md, SECURITY.md, CHANGELOG.md and everything in docs.
     *
     * @param root the folder of the repository
     * @return those that are there
     */
    public static List<MarkdownFile> all(Path root) {
        try (Stream<Path> top = Files.list(root);
                Stream<Path> docs = Files.list(root.resolve("docs"))) {
            return Stream.concat(top, docs)
                    .filter(file -> file.toString().endsWith(".md"))
                    .sorted()
                    .map(MarkdownFile::read)
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * The name without ending: README, faq, ...
     *
     * @return the name
     */
    public String name() {
        return path.getFileName().toString().replace(".md", "");
    }

    /**
     * Where links and pictures point to.
     *
     * @return the targets, with anchors
     */
    public List<String> links() {
        return prose.stream()
                .flatMap(line -> LINK.matcher(withoutCode(line)).results())
                .map(match -> match.group(1))
                .toList();
    }

    /**
     * What links can point to inside the document, by GitHub's rule: the heading in lower case, blanks as hyphens, other punctuation left
     * out.
     *
     * @return the anchors
     */
    public Set<String> anchors() {
        Set<String> anchors = new LinkedHashSet<>();
        for (String line : prose) {
            if (line.matches("#{1,6} .*")) {
                String heading = line.replaceFirst("^#+ ", "").replaceAll("\\[([^\\]]*)\\]\\([^)]*\\)", "$1");
                anchors.add(heading.strip()
                        .toLowerCase(Locale.ROOT)
                        .replaceAll("[^\\p{L}\\p{N} _-]", "")
                        .replace(' ', '-'));
            }
        }
        return anchors;
    }

    private static String withoutCode(String line) {
        return line.replaceAll("`[^`]*`", "code");
    }

    private static List<String> lines(Path path) {
        try {
            return Files.readAllLines(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String joined(List<String> lines) {
        return String.join("\n", lines) + "\n";
    }
}
