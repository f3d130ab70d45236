package ai.molae.consumer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.maven.shared.invoker.DefaultInvocationRequest;
import org.apache.maven.shared.invoker.DefaultInvoker;
import org.apache.maven.shared.invoker.InvocationRequest;
import org.apache.maven.shared.invoker.InvocationResult;

/**
 * A project of a user, outside of this source tree: a copy of a folder of {@code src/test/consumers}, built by Maven from the packaged
 * modules alone.
 *
 * @param folder where it is
 */
record Consumer(Path folder) {

    private static final Path SOURCES = Path.of(System.getProperty("consumers.projects"));
    private static final Path CHECKPOINT = Path.of("../molae-djl/src/test/resources/ai/molae/djl/hf/olmoe-a");

    /**
     * Copies a project and its parent.
     *
     * @param name the folder's name
     * @param workplace an empty folder outside of the source tree
     * @return the copy
     */
    static Consumer copy(String name, Path workplace) throws IOException {
        for (String part : List.of("parent", name)) {
            copy(SOURCES.resolve(part), workplace.resolve(part));
        }
        return new Consumer(workplace.resolve(name));
    }

    /** Replaces the text of a file. */
    void edit(String file, UnaryOperator<String> change) throws IOException {
        Path path = folder.resolve(file);
        Files.writeString(path, change.apply(Files.readString(path)));
    }

    /** Runs {@code mvn package}, which must succeed. */
    void build() throws Exception {
        StringBuilder output = new StringBuilder();
        InvocationRequest request = new DefaultInvocationRequest();
        request.setBaseDirectory(folder.toFile());
        request.addArg("package");
        request.setBatchMode(true);
        request.setNoTransferProgress(true);
        request.setJavaHome(Jdk.ofMaven().home().toFile());
        request.setGlobalSettingsFile(settings().toFile());
        request.setOutputHandler(line -> output.append(line).append('\n'));
        request.setOffline(System.getProperty("consumers.network").equals("offline: true"));
        // Files are no network.
        Properties properties = new Properties();
        properties.setProperty("aether.offline.protocols", "file");
        request.setProperties(properties);
        // Short runs.
        request.setMavenOpts("-XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
        DefaultInvoker maven = new DefaultInvoker();
        maven.setMavenHome(new File(System.getProperty("consumers.maven.home")));
        maven.setLocalRepositoryDirectory(new File(System.getProperty("consumers.repository")));
        InvocationResult result = maven.execute(request);
        assertThat(result.getExitCode())
                .as("mvn package in %s%n%s", folder, output)
                .isZero();
    }

    /** What {@code mvn package} made. */
    Path target(String name) {
        return folder.resolve("target").resolve(name);
    }

    /** A class path: the application's jar and those in {@code target/lib}. */
    String classPath() {
        return target("app.jar") + File.pathSeparator + target("lib") + File.separator + "*";
    }

    /**
     * Lays down a small OLMoE with weights and, because it has none, a tokenizer for which every word is a token.
     *
     * @param target the checkpoint's folder
     */
    static void checkpoint(Path target) throws IOException {
        Files.createDirectories(target);
        for (String file : List.of("config.json", "model.safetensors", "golden.json")) {
            Files.copy(CHECKPOINT.resolve(file), target.resolve(file));
        }
        List<String> words = Stream.concat(
                        Stream.of("<unk>", "Once", "upon", "a", "time"),
                        IntStream.range(5, 112).mapToObj(i -> "w" + i))
                .toList();
        String vocabulary = IntStream.range(0, words.size())
                .mapToObj(i -> '"' + words.get(i) + "\":" + i)
                .collect(Collectors.joining(","));
        Files.writeString(
                target.resolve("tokenizer.json"),
                """
                {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "WhitespaceSplit"},
                 "model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {%s}}}
                """
                        .formatted(vocabulary));
    }

    /** Where Maven looks before it looks at the default repository: what this build has fetched already. */
    private Path settings() throws IOException {
        Path settings = folder.resolveSibling("settings.xml");
        String repository =
                """
                <id>fetched</id><url>%s</url>
                <releases><checksumPolicy>ignore</checksumPolicy></releases><snapshots><enabled>false</enabled></snapshots>
                """
                        .formatted(
                                Path.of(System.getProperty("consumers.fetched")).toUri());
        return Files.writeString(
                settings,
                """
                <settings>
                  <profiles>
                    <profile>
                      <id>fetched</id>
                      <repositories><repository>%1$s</repository></repositories>
                      <pluginRepositories><pluginRepository>%1$s</pluginRepository></pluginRepositories>
                    </profile>
                  </profiles>
                  <activeProfiles><activeProfile>fetched</activeProfile></activeProfiles>
                </settings>
                """
                        .formatted(repository));
    }

    private static void copy(Path source, Path target) throws IOException {
        try (Stream<Path> files = Files.walk(source)) {
            files.forEach(file -> {
                try {
                    Path copy = target.resolve(source.relativize(file).toString());
                    if (Files.isDirectory(file)) {
                        Files.createDirectories(copy);
                    } else {
                        Files.copy(file, copy);
                    }
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        }
    }
}
