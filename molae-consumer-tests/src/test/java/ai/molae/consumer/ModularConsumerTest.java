package ai.molae.consumer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.module.FindException;
import java.lang.module.ModuleFinder;
import java.lang.module.ModuleReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A named module that requires molae's: everything is on the module path, but the jar of PyTorch's natives, whose name is none. */
class ModularConsumerTest {

    /** The modules that call native code. */
    private static final String[] NATIVE = {"ai.djl.pytorch_engine", "ai.djl.tokenizers", "com.sun.jna"};

    @TempDir
    private static Path workplace;

    private static Consumer consumer;

    @BeforeAll
    static void build() throws Exception {
        consumer = Consumer.copy("modular", workplace);
        consumer.build();
        Consumer.checkpoint(workplace.resolve("checkpoint"));
    }

    @ParameterizedTest
    @MethodSource("ai.molae.consumer.Jdk#all")
    void runsOnTheModulePath(Jdk jdk) throws Exception {
        JavaRun run = JavaRun.of(
                jdk,
                workplace.resolve("machine"),
                workplace,
                Stream.of(
                                jdk.nativeAccess(NATIVE).stream(),
                                Stream.of("--module-path", modulePath()),
                                Stream.of("--add-modules", "ALL-MODULE-PATH"),
                                Stream.of("--class-path", natives().toString()),
                                Stream.of("--module", "org.example.modular/org.example.modular.ModularMain"))
                        .flatMap(part -> part)
                        .toList());

        assertThat(run.out().lines())
                .containsExactly(
                        "module org.example.modular",
                        "module ai.molae.core",
                        "module ai.molae.djl",
                        "module ai.djl.api",
                        "module ai.djl.tokenizers",
                        "engines [PyTorch, Rust]",
                        "engine PyTorch of ai.djl.pytorch_engine",
                        "output (4, 16)",
                        "tokens 2");
        assertThat(run.calls()).as("calls into a network").isZero();
    }

    @Test
    void everyJarOfMolaeSaysItsModuleName() throws IOException {
        Map<String, String> names = new TreeMap<>();
        for (Path jar : molaeJars()) {
            try (JarFile file = new JarFile(jar.toFile())) {
                names.put(
                        jar.getFileName().toString().replaceFirst("(-\\d.*)?\\.jar", ""),
                        String.valueOf(file.getManifest().getMainAttributes().getValue("Automatic-Module-Name")));
            }
        }

        assertThat(names)
                .containsExactlyInAnyOrderEntriesOf(Map.of(
                        "molae-core", "ai.molae.core",
                        "molae-djl", "ai.molae.djl",
                        "molae-cli", "ai.molae.cli",
                        "molae-bench", "ai.molae.bench"));
    }

    @Test
    void noPackageIsInTwoJars() throws IOException {
        List<Path> jars = new ArrayList<>(jars(consumer.target("lib")));
        molaeJars().stream().filter(jar -> !jars.contains(jar)).forEach(jars::add);
        Map<String, String> owners = new TreeMap<>();

        for (Path jar : jars) {
            for (ModuleReference module : ModuleFinder.of(jar).findAll()) {
                String name = module.descriptor().name();
                for (String inside : module.descriptor().packages()) {
                    assertThat(owners.putIfAbsent(inside, name))
                            .as("%s, which is in %s too", inside, name)
                            .isNull();
                }
            }
        }

        assertThat(owners).containsEntry("ai.molae.spec", "ai.molae.core").containsEntry("ai.djl.engine", "ai.djl.api");
    }

    /** Why it is on the class path: if this fails, it need not be any more. */
    @Test
    void theJarOfNativesIsNoModule() {
        ModuleFinder finder = ModuleFinder.of(natives());

        assertThatThrownBy(finder::findAll)
                .isInstanceOf(FindException.class)
                .hasStackTraceContaining("Invalid module name");
    }

    private static String modulePath() {
        return consumer.target("app.jar") + java.io.File.pathSeparator + consumer.target("lib");
    }

    private static Path natives() {
        List<Path> jars = jars(consumer.target("class-path"));
        assertThat(jars).hasSize(1);
        return jars.get(0);
    }

    /** The two that the project depends on, and the two others as Maven has packaged them. */
    private static List<Path> molaeJars() {
        List<Path> jars = new ArrayList<>(jars(consumer.target("lib")).stream()
                .filter(jar -> jar.getFileName().toString().startsWith("molae-"))
                .toList());
        jars.add(packaged("molae-cli"));
        jars.add(packaged("molae-bench"));
        return jars;
    }

    private static Path packaged(String module) {
        return Path.of("..", module, System.getProperty("consumers.target"), module + ".jar");
    }

    private static List<Path> jars(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
