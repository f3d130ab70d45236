package ai.molae.consumer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.File;
import java.io.IOException;
import java.lang.module.FindException;
import java.lang.module.ModuleDescriptor;
import java.lang.module.ModuleFinder;
import java.lang.module.ModuleReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** An application that is a named module and requires molae's. */
class ModularConsumerTest {

    @TempDir
    private static Path workplace;

    private static Consumer consumer;

    @BeforeAll
    static void build() throws Exception {
        consumer = Consumer.copy("modular", workplace);
        consumer.build();
        Consumer.checkpoint(workplace.resolve("checkpoint"));
    }

    /** As Maven lays it out for the compiler, tests and runs. */
    @ParameterizedTest
    @MethodSource("ai.molae.consumer.Jdk#all")
    void runsWithWhatItRequiresOnTheModulePathAndTheRestOnTheClassPath(Jdk jdk) throws Exception {
        JavaRun run = run(
                jdk,
                jar -> jar.getFileName().toString().matches("(molae-core|molae-djl|api|tokenizers)-.*"),
                "ALL-UNNAMED",
                "ai.djl.tokenizers");

        assertRan(run, "engine PyTorch of no module");
    }

    @ParameterizedTest
    @MethodSource("ai.molae.consumer.Jdk#all")
    void runsWithEveryAutomaticModuleOnTheModulePath(Jdk jdk) throws Exception {
        JavaRun run = run(
                jdk,
                ModularConsumerTest::isAutomaticModule,
                "ai.djl.pytorch_engine",
                "ai.djl.tokenizers",
                "com.sun.jna");

        assertRan(run, "engine PyTorch of ai.djl.pytorch_engine");
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
        List<Path> jars = new ArrayList<>(jars());
        jars.remove(natives());
        molaeJars().stream().filter(jar -> !jars.contains(jar)).forEach(jars::add);
        Map<String, String> owners = new TreeMap<>();

        for (Path jar : jars) {
            ModuleDescriptor module = module(jar);
            for (String inside : module.packages()) {
                assertThat(owners.putIfAbsent(inside, module.name()))
                        .as("who has %s beside %s", inside, module.name())
                        .isNull();
            }
        }

        assertThat(owners).containsEntry("ai.molae.spec", "ai.molae.core").containsEntry("ai.djl.engine", "ai.djl.api");
    }

    /** Why it stays on the class path: if this fails, it need not any more. */
    @Test
    void theJarOfNativesIsNoModule() throws IOException {
        Path natives = natives();

        assertThatThrownBy(() -> module(natives))
                .isInstanceOf(FindException.class)
                .hasStackTraceContaining("Invalid module name");
    }

    private static JavaRun run(Jdk jdk, Predicate<Path> onModulePath, String... nativeAccess) throws Exception {
        Map<Boolean, List<Path>> jars = jars().stream().collect(Collectors.partitioningBy(onModulePath));
        List<String> arguments = new ArrayList<>(jdk.nativeAccess(nativeAccess));
        arguments.addAll(
                List.of("--module-path", consumer.target("app.jar") + File.pathSeparator + path(jars.get(true))));
        arguments.addAll(List.of("--class-path", path(jars.get(false))));
        arguments.addAll(List.of("--module", "org.example.modular/org.example.modular.ModularMain"));
        return JavaRun.of(jdk, workplace.resolve("machine"), workplace, arguments);
    }

    private static void assertRan(JavaRun run, String engine) {
        assertThat(run.out().lines())
                .containsExactly(
                        "module org.example.modular",
                        "module ai.molae.core",
                        "module ai.molae.djl",
                        "module ai.djl.api",
                        "module ai.djl.tokenizers",
                        "engines [PyTorch, RPC, Rust]",
                        engine,
                        "output (4, 16)",
                        "tokens 2");
        assertThat(run.calls()).as("calls into a network").isZero();
    }

    private static boolean isAutomaticModule(Path jar) {
        return !jar.getFileName().toString().startsWith("pytorch-native-")
                && module(jar).isAutomatic();
    }

    private static ModuleDescriptor module(Path jar) {
        return ModuleFinder.of(jar).findAll().stream()
                .map(ModuleReference::descriptor)
                .findFirst()
                .orElseThrow();
    }

    private static Path natives() throws IOException {
        return jars().stream()
                .filter(jar -> jar.getFileName().toString().startsWith("pytorch-native-"))
                .findFirst()
                .orElseThrow();
    }

    /** The two that the project depends on, and the two others as Maven has packaged them. */
    private static List<Path> molaeJars() throws IOException {
        List<Path> molae = new ArrayList<>(jars().stream()
                .filter(jar -> jar.getFileName().toString().startsWith("molae-"))
                .toList());
        for (String module : List.of("molae-cli", "molae-bench")) {
            molae.add(Path.of("..", module, System.getProperty("consumers.target"), module + ".jar"));
        }
        return molae;
    }

    private static List<Path> jars() throws IOException {
        try (Stream<Path> files = Files.list(consumer.target("lib"))) {
            return files.sorted().toList();
        }
    }

    private static String path(List<Path> jars) {
        return jars.stream().map(Path::toString).collect(Collectors.joining(File.pathSeparator));
    }
}
