package ai.molae.bench.suite;

import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.workload.Scale;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.openjdk.jmh.runner.BenchmarkList;
import org.openjdk.jmh.runner.format.OutputFormatFactory;
import org.openjdk.jmh.runner.options.VerboseMode;
import org.openjdk.jmh.util.NullOutputStream;

/** {@code benchmarks.jar} as Maven packages it, run as its users run it. */
class BenchmarksJarPackagedTest {

    private static final Path JAR = Path.of(System.getProperty("benchmarks.jar"));

    @Test
    void listsEveryBenchmark(@TempDir Path folder) throws Exception {
        List<String> all = BenchmarkList.defaultList()
                .getAll(
                        OutputFormatFactory.createFormatInstance(
                                new java.io.PrintStream(new NullOutputStream()), VerboseMode.SILENT),
                        List.of())
                .stream()
                .map(entry -> entry.getUsername())
                .distinct()
                .toList();

        List<String> listed = Arrays.asList(run(folder, "-l").split("\\R"));

        assertThat(all).isNotEmpty();
        assertThat(listed).containsAll(all);
        assertThat(Arrays.stream(Extent.values())
                        .flatMap(extent -> extent.trialSets(extent.shapes()).stream())
                        .map(trialSet -> "ai.molae.bench." + trialSet.benchmark())
                        .distinct())
                .isSubsetOf(listed);
    }

    @Test
    void findsNativesBesideIt(@TempDir Path folder) throws Exception {
        String output = run(
                folder,
                "LayerForward",
                "-p",
                "scale=" + Scale.TINY,
                "-p",
                "shape=OLMOE_1B_7B",
                "-p",
                "variant=MOE",
                "-p",
                "tokens=2",
                "-f",
                "1",
                "-wi",
                "1",
                "-w",
                "10ms",
                "-i",
                "1",
                "-r",
                "10ms",
                "-prof",
                "ai.molae.bench.measure.TrialProfiler");

        assertThat(output).contains(":" + Metric.WEIGHT_BYTES.key()).contains(":" + Metric.ERROR.key());
    }

    @Test
    void holdsTheClassesButNotTheNatives() throws IOException {
        try (JarFile jar = new JarFile(JAR.toFile())) {
            List<String> names = jar.stream().map(entry -> entry.getName()).toList();

            assertThat(names).contains("org/openjdk/jmh/Main.class", "ai/molae/bench/layer/LayerForward.class");
            assertThat(names).noneMatch(name -> name.contains("libtorch") || name.contains("libonnxruntime"));
            assertThat(jar.getManifest()
                            .getMainAttributes()
                            .getValue("Class-Path")
                            .split(" "))
                    .isNotEmpty()
                    .allSatisfy(path ->
                            assertThat(JAR.resolveSibling(path)).as(path).exists());
        }
    }

    private static String run(Path folder, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dmolae.cache=" + System.getProperty("molae.cache"),
                "-Djmh.ignoreLock=true",
                "-jar",
                JAR.toString()));
        command.addAll(List.of(arguments));
        File output = folder.resolve("output").toFile();
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output)
                .start();
        int code = process.waitFor();
        String text = Files.readAllLines(output.toPath()).stream().collect(Collectors.joining("\n"));
        assertThat(code).as(text).isZero();
        return text;
    }
}
