package ai.molae.consumer;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.jar.JarFile;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A project that copies README.md word for word, on a machine with no network and nothing in DJL's caches. */
class ReadmeConsumerTest {

    private static final Pattern PLATFORM = Pattern.compile("\\b(linux|osx|win)-(x86_64|aarch64)\\b");

    @TempDir
    private static Path workplace;

    private static Readme readme;
    private static Consumer consumer;

    @BeforeAll
    static void build() throws Exception {
        readme = Readme.read();
        consumer = Consumer.copy("readme", workplace);
        consumer.edit("pom.xml", pom -> pom.replace("<!-- README.md -->", readme.pom()));
        Files.writeString(consumer.folder().resolve("src/main/java/ReadmeBlocks.java"), readme.program("ReadmeBlocks"));
        consumer.build();
    }

    @ParameterizedTest
    @MethodSource("ai.molae.consumer.Jdk#all")
    void everyBlockRunsOffline(Jdk jdk) throws Exception {
        Path folder = userFolder(jdk);

        JavaRun run = run(jdk, folder, "ReadmeBlocks");

        assertThat(run.out())
                .contains(IntStream.rangeClosed(1, readme.statements().size())
                        .mapToObj(Readme::ran)
                        .toList());
        assertThat(run.calls()).as("calls into a network").isZero();
        assertThat(machine(jdk).resolve("engines/pytorch"))
                .isDirectoryRecursivelyContaining(
                        file -> file.getFileName().toString().contains("torch_cpu"));
        assertThat(machine(jdk).resolve("home/.djl.ai")).doesNotExist();
    }

    @ParameterizedTest
    @MethodSource("ai.molae.consumer.Jdk#all")
    void aLoadedCheckpointContinuesAsTheLibraryThatItIsFrom(Jdk jdk) throws Exception {
        Path folder = userFolder(jdk);
        JsonObject golden = JsonParser.parseString(Files.readString(folder.resolve("OLMoE-1B-7B/golden.json")))
                .getAsJsonObject()
                .getAsJsonObject("greedy");

        JavaRun run = run(
                jdk,
                folder,
                Stream.concat(
                                Stream.of("GoldenCheck"),
                                numbers(golden, "prompt").map(String::valueOf))
                        .toArray(String[]::new));

        assertThat(run.out()).contains("greedy " + numbers(golden, "tokens").toList());
    }

    @ParameterizedTest
    @MethodSource("ai.molae.consumer.Jdk#all")
    void theSmallestBenchmarkRunsOffline(Jdk jdk) throws Exception {
        Path folder = userFolder(jdk);
        List<String> arguments = Stream.of(
                        jdk.nativeAccess("ALL-UNNAMED").stream(),
                        jdk.unsafeMemoryAccess().stream(),
                        Stream.of("-jar", System.getProperty("consumers.benchmarks"), "LayerForward"),
                        Stream.of(
                                "-p", "scale=TINY", "-p", "shape=OLMOE_1B_7B", "-p", "variant=MOLAE", "-p", "tokens=2"),
                        Stream.of("-f", "1", "-wi", "1", "-w", "10ms", "-i", "1", "-r", "10ms"))
                .flatMap(part -> part)
                .toList();

        JavaRun run = JavaRun.of(jdk, machine(jdk), folder, arguments);

        assertThat(run.out()).contains("# Run complete.").containsPattern("LayerForward\\S* .*MOLAE");
        assertThat(run.calls()).as("calls into a network").isZero();
    }

    /** PyTorch itself comes from a jar for each, of which only this machine's is fetched. */
    @Test
    void djlsLibrariesHaveEveryPlatformThatReadmeNames() throws IOException {
        Set<String> platforms =
                PLATFORM.matcher(readme.pom()).results().map(MatchResult::group).collect(Collectors.toSet());

        assertThat(platforms).isNotEmpty();
        assertThat(folders("pytorch-jni-", "jnilib/")).containsAll(platforms);
        assertThat(folders("tokenizers-", "native/lib/")).containsAll(platforms);
    }

    /** The names of the folders in a folder of a jar. */
    private static Set<String> folders(String jar, String inside) throws IOException {
        try (Stream<Path> jars = Files.list(consumer.target("lib"));
                JarFile file = new JarFile(
                        jars.filter(path -> path.getFileName().toString().startsWith(jar))
                                .findFirst()
                                .orElseThrow()
                                .toFile())) {
            return file.stream()
                    .map(entry -> entry.getName())
                    .filter(name -> name.startsWith(inside) && name.indexOf('/', inside.length()) > 0)
                    .map(name -> name.substring(inside.length(), name.indexOf('/', inside.length())))
                    .collect(Collectors.toSet());
        }
    }

    private static JavaRun run(Jdk jdk, Path folder, String... mainAndArguments) throws Exception {
        return JavaRun.of(
                jdk,
                machine(jdk),
                folder,
                Stream.of(
                                jdk.nativeAccess("ALL-UNNAMED").stream(),
                                Stream.of("-cp", consumer.classPath()),
                                Stream.of(mainAndArguments))
                        .flatMap(part -> part)
                        .toList());
    }

    /** Where caches are, empty before the first run on this JDK. */
    private static Path machine(Jdk jdk) {
        return workplace.resolve("machine-" + jdk.version());
    }

    /** What README's examples find in the folder they are run in: texts and a checkpoint. */
    private static Path userFolder(Jdk jdk) throws IOException {
        Path folder = Files.createTempDirectory(workplace, "run-" + jdk.version() + "-");
        Consumer.checkpoint(folder.resolve("OLMoE-1B-7B"));
        Path texts = Files.createDirectory(folder.resolve("my-texts"));
        try (Stream<Path> documents = Files.list(Path.of("../docs"))) {
            for (Path document :
                    documents.filter(file -> file.toString().endsWith(".md")).toList()) {
                Files.copy(document, texts.resolve(document.getFileName()));
            }
        }
        return folder;
    }

    private static Stream<Integer> numbers(JsonObject object, String key) {
        return StreamSupport.stream(object.getAsJsonArray(key).spliterator(), false)
                .map(element -> element.getAsInt());
    }
}
