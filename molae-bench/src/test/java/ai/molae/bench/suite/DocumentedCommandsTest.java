package ai.molae.bench.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import ai.molae.bench.soak.Soak;
import ai.molae.testing.MarkdownFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import picocli.CommandLine.MissingParameterException;

/** What the documents tell to type is understood, and README's list of commands runs. */
class DocumentedCommandsTest {

    private static final Path ROOT = Path.of("..");
    private static final Path RESOURCES = ROOT.resolve("molae-djl/src/test/resources/ai/molae/djl");
    private static final Pattern IN_BLOCK = Pattern.compile("(?m)^(?:\\$ )?(?:\\./)?molae ([a-z].*)$");
    private static final Pattern IN_PROSE = Pattern.compile("`(?:\\./)?molae ([a-z][^`]*)`");
    private static final Pattern WORD = Pattern.compile("'([^']*)'|(\\S+)");
    private static final Pattern CODE = Pattern.compile("`[^`]*`");
    private static final Pattern OPTION = Pattern.compile("(?<![\\w-])--[a-z][a-z0-9-]+");

    /** Options of the JVM and of other programs. */
    private static final Set<String> FOREIGN = Set.of(
            "--enable-native-access",
            "--sun-misc-unsafe-memory-access",
            "--module-path",
            "--class-path",
            "--module",
            "--add-modules",
            "--logdir",
            "--jvm",
            "--time-only");

    /** What makes README's commands end within seconds, by their names. The words in capitals there stand for what a reader has. */
    private static final Map<String, String> SHORT = new LinkedHashMap<>();

    static {
        SHORT.put("inspect", "");
        SHORT.put("generate", "--max-new-tokens 5");
        SHORT.put("eval", "--sequence 32 --batch 2 --limit 200");
        SHORT.put("train", "--steps 2 --sequence 16 --batch 1 --checkpoint-steps 1 --no-tensorboard --quiet");
        SHORT.put("resume", "--allow-changes --steps 3 --quiet");
        SHORT.put("spectrum", "");
        SHORT.put("convert", "--quiet");
        SHORT.put("tokenize", "");
        SHORT.put("plan", "");
        SHORT.put("bench", "--list");
    }

    private final StringWriter err = new StringWriter();

    @TempDir
    private Path folder;

    static Stream<String> commandLines() {
        Set<String> lines = new LinkedHashSet<>();
        for (MarkdownFile document : MarkdownFile.all(ROOT)) {
            document.blocks().forEach(block -> IN_BLOCK.matcher(block.text())
                    .results()
                    .map(match -> match.group(1))
                    .forEach(lines::add));
        }
        assertThat(lines).hasSizeGreaterThan(20);
        return lines.stream();
    }

    @ParameterizedTest
    @MethodSource("commandLines")
    void everyCommandLineIsUnderstood(String line) {
        assertThatCode(() -> Main.commandLine().parseArgs(words(line))).as(line).doesNotThrowAnyException();
    }

    /** In running text a command may stand without what it needs. */
    @Test
    void everyCommandInTheTextIsThere() {
        List<String> mentioned = new ArrayList<>();
        for (MarkdownFile document : MarkdownFile.all(ROOT)) {
            document.prose().forEach(line -> IN_PROSE.matcher(line)
                    .results()
                    .map(match -> match.group(1))
                    .forEach(mentioned::add));
        }
        assertThat(mentioned).hasSizeGreaterThan(20).allSatisfy(line -> {
            try {
                Main.commandLine().parseArgs(words(line));
            } catch (MissingParameterException e) {
                assertThat(e.getMissing()).isNotEmpty();
            }
        });
    }

    @Test
    void everyOptionInTheTextIsThere() {
        Set<String> known = new LinkedHashSet<>(FOREIGN);
        collectOptions(Main.commandLine(), known);
        collectOptions(new CommandLine(Soak.class), known);
        for (MarkdownFile document : MarkdownFile.all(ROOT)) {
            // The changelog and the log of measurements tell of the past, releasing of other programs.
            if (!Set.of("CHANGELOG", "performance", "releasing").contains(document.name())) {
                for (String line : document.prose()) {
                    assertThat(CODE.matcher(line)
                                    .results()
                                    .flatMap(
                                            code -> OPTION.matcher(code.group()).results())
                                    .map(MatchResult::group))
                            .as("%s: %s", document.name(), line)
                            .isSubsetOf(known);
                }
            }
        }
    }

    private static void collectOptions(CommandLine command, Set<String> names) {
        command.getCommandSpec().options().forEach(option -> names.addAll(List.of(option.names())));
        command.getSubcommands().values().forEach(child -> collectOptions(child, names));
    }

    @Test
    void theCommandsOfReadmeRunOneAfterTheOther() throws IOException {
        List<String> lines = MarkdownFile.read(ROOT.resolve("README.md")).blocks().stream()
                .flatMap(block -> IN_BLOCK.matcher(block.text()).results().map(match -> match.group(1)))
                .filter(line -> !line.startsWith("quickstart")) // QuickstartCommandTest
                .toList();
        assertThat(lines.stream().map(line -> line.split(" ")[0]).distinct()).containsExactlyElementsOf(SHORT.keySet());

        Path checkpoint = Files.createDirectories(folder.resolve("checkpoint"));
        for (String file : List.of(
                "hf/olmoe-a/config.json",
                "hf/olmoe-a/model.safetensors",
                "docs/tokenizer.json",
                "docs/tokenizer_config.json")) {
            Files.copy(RESOURCES.resolve(file), checkpoint.resolve(Path.of(file).getFileName()));
        }
        Path text =
                Files.writeString(folder.resolve("text.txt"), "Experts share what they have in common. ".repeat(20));
        Map<String, String> haves = Map.of(
                "DIR", checkpoint.toString(),
                "FILE", text.toString(),
                "PAGE", folder.resolve("page.html").toString(),
                "TEXT", "experts",
                "RUN", folder.resolve("run").toString(),
                "SMALL", folder.resolve("small").toString(),
                "TOKENS", folder.resolve("tokens").toString());
        for (String line : lines) {
            String shortened = line.split(" {2,}")[0] + " " + SHORT.get(line.split(" ")[0]);
            String[] words = Stream.of(words(shortened))
                    .map(word -> haves.getOrDefault(word, word))
                    .toArray(String[]::new);
            CommandLine command = Main.commandLine();
            command.setOut(new PrintWriter(new StringWriter()));
            command.setErr(new PrintWriter(err));
            assertThat(command.execute(words)).as("%s: %s", shortened, err).isZero();
        }
        assertThat(folder.resolve("page.html")).content().contains("</html>");
        assertThat(folder.resolve("run/model/config.json")).exists();
        assertThat(folder.resolve("small/conversion.html")).exists();
        assertThat(folder.resolve("tokens")).isNotEmptyDirectory();
    }

    /** Splits a line as a shell does; what stands behind a comment sign or two blanks explains it, and of a|b it is a. */
    private static String[] words(String line) {
        return WORD.matcher(line.split(" {2,}| #")[0])
                .results()
                .map(DocumentedCommandsTest::word)
                .map(word -> word.split("\\|")[0])
                .toArray(String[]::new);
    }

    private static String word(MatchResult match) {
        return match.group(1) != null ? match.group(1) : match.group(2);
    }
}
