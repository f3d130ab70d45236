package ai.molae.bench.suite;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.joining;
import static org.assertj.core.api.Assertions.assertThat;

import ai.molae.bench.results.Environment;
import ai.molae.bench.workload.Shape;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import picocli.CommandLine;

class BenchCommandTest {

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int run(String... arguments) {
        CommandLine command = Main.commandLine();
        command.setOut(new PrintWriter(out));
        command.setErr(new PrintWriter(err));
        return command.execute(arguments);
    }

    @Test
    void listsWhatWouldRun() {
        assertThat(run("bench", "--list", "--preset", "PAPER")).isZero();
        assertThat(out.toString())
                .contains("layer.LayerForward.forward")
                .contains("PAPER")
                .doesNotContain("MIXTRAL");
        String quick = out.toString();

        assertThat(run("bench", "--full", "--list", "--preset", "PAPER")).isZero();
        assertThat(out.toString().length()).isGreaterThan(3 * quick.length() / 2);
    }

    @Test
    void everySectionNamesABenchmarkAndItsParameters() throws Exception {
        for (Extent extent : Extent.values()) {
            for (TrialSet trialSet : extent.trialSets(extent.shapes())) {
                String name = trialSet.benchmark();
                Class<?> benchmark = Class.forName("ai.molae.bench." + name.substring(0, name.lastIndexOf('.')));
                assertThat(benchmark.getMethod(name.substring(name.lastIndexOf('.') + 1)))
                        .isNotNull();
                trialSet.parameters().forEach((parameter, values) -> assertThat(benchmark.getFields())
                        .as(name)
                        .anySatisfy(field -> assertThat(field.getName()).isEqualTo(parameter)));
            }
        }
    }

    @Test
    void refusesWhatLeavesNothingToRun() {
        assertThat(run("bench", "--only", "Nonsense")).isEqualTo(2);
        assertThat(err.toString()).contains("Nonsense").contains("layer.LayerForward.forward");
        assertThat(run("bench", "--only", "(")).isEqualTo(2);
        assertThat(run("bench", "--quick", "--full")).isEqualTo(2);
        assertThat(run("bench", "--preset", "GPT_9")).isEqualTo(2);
    }

    @Test
    void neverOverwritesResults(@TempDir Path folder) throws IOException {
        Files.writeString(folder.resolve(SuiteRun.RESULTS), "[]");

        assertThat(run("bench", "--out", folder.toString())).isEqualTo(2);

        assertThat(err.toString()).contains("has results already");
        assertThat(folder.resolve(SuiteRun.RESULTS)).hasContent("[]");
    }

    @Test
    void leavesOutWhatAnotherImplementationCannotRunAndSaysWhy() {
        assertThat(run("bench", "--list", "--preset", "DEEPSEEK_V3")).isZero();

        assertThat(out.toString())
                .containsPattern("not supported: layer.LayerForward.forward .*implementation=ONNX_RUNTIME.*SIGMOID");
        Plan plan = Plan.of(Extent.QUICK.trialSets(List.of(Shape.DEEPSEEK_V3)));
        assertThat(plan.unsupported()).hasSize(2).allMatch(line -> line.contains("ONNX_RUNTIME"));
        assertThat(plan.trials()).noneMatch(trial -> trial.title().contains("ONNX_RUNTIME"));
        assertThat(Plan.of(Extent.QUICK.trialSets(List.of(Shape.QWEN3_30B_A3B))).unsupported())
                .isEmpty();
    }

    @ParameterizedTest
    @EnumSource(Extent.class)
    void everyTrialRunsOnceWithOneValueOfEachParameter(Extent extent) {
        List<TrialSet> trials = Plan.of(extent.trialSets(extent.shapes())).trials();

        assertThat(trials).extracting(TrialSet::title).doesNotHaveDuplicates();
        assertThat(trials)
                .allSatisfy(trial -> assertThat(trial.parameters().values()).allMatch(values -> values.size() == 1));
        // Where a benchmark is given a parameter once, it is given it always: its default would make two names of one
        // trial.
        trials.stream().collect(groupingBy(TrialSet::benchmark)).values().forEach(same -> assertThat(same)
                .extracting(trial -> trial.parameters().keySet())
                .allMatch(same.get(0).parameters().keySet()::equals));
    }

    @ParameterizedTest
    @EnumSource(Extent.class)
    void everyPeerHasMolaeBesideIt(Extent extent) {
        List<String> titles = Plan.of(extent.trialSets(extent.shapes())).trials().stream()
                .map(TrialSet::title)
                .toList();

        assertThat(titles)
                .filteredOn(title -> title.contains("implementation=") && !title.contains("implementation=MOLAE"))
                .isNotEmpty()
                .map(title -> title.replaceFirst("implementation=\\w+", "implementation=MOLAE")
                        .replace("KEEP_GATHERED", "KEEP_DISTINCT"))
                .isSubsetOf(titles);
    }

    /** The machine's speed drifts, so that what is compared has to be measured in neighbouring minutes. */
    @ParameterizedTest
    @EnumSource(Extent.class)
    void moeAndMolaeOfALayerRunOneAfterTheOther(Extent extent) {
        List<TrialSet> trials = Plan.of(extent.trialSets(extent.shapes())).trials();

        List<Integer> standard = IntStream.range(0, trials.size())
                .filter(i -> trials.get(i).title().contains("LayerDecode")
                        && trials.get(i).title().contains("variant=MOE"))
                .boxed()
                .toList();
        assertThat(standard).hasSizeGreaterThanOrEqualTo(extent.shapes().size()).allSatisfy(i -> assertThat(
                        trials.get(i + 1).title())
                .isEqualTo(trials.get(i).title().replace("variant=MOE", "variant=MOLAE")));
    }

    @Test
    void quickDecodesInAllOfItsShapes() {
        assertThat(Plan.of(Extent.QUICK.trialSets(Extent.QUICK.shapes())).trials())
                .filteredOn(trial -> trial.benchmark().contains("LayerDecode"))
                .map(trial -> trial.value("shape", Shape.class).orElseThrow())
                .containsAll(Extent.QUICK.shapes());
    }

    @Test
    void conversionAndLoadingTakeShapeAndScale() {
        List<TrialSet> trials =
                Plan.of(Extent.FULL.trialSets(List.of(Shape.OLMOE_1B_7B))).trials();

        assertThat(trials)
                .filteredOn(trial -> trial.benchmark().contains("CheckpointLoad"))
                .isNotEmpty()
                .allMatch(trial -> trial.title().contains("scale=LARGE shape=OLMOE_1B_7B"));
        assertThat(trials)
                .filteredOn(trial -> trial.benchmark().contains("LayerConversion"))
                .singleElement()
                .matches(trial -> trial.title().contains("scale=SMALL shape=OLMOE_1B_7B"));
    }

    @Test
    void refusesOptionsThatWouldHaveNoEffect() {
        for (String option : List.of(
                "--precision=int8", "--threads=1", "--prompt=1", "--generate=1", "--repetitions=1", "--format=csv")) {
            assertThat(run("bench", "--list", option)).as(option).isEqualTo(2);
            assertThat(err.toString())
                    .contains(option.substring(0, option.indexOf('=')) + " need")
                    .contains("--model DIR");
        }
        for (String option : List.of("--quick", "--full", "--preset=PAPER", "--only=x", "--list", "--jvm=-Xint")) {
            assertThat(run("bench", "--model", "nowhere", option)).as(option).isEqualTo(2);
            assertThat(err.toString()).contains(option.replaceFirst("=.*", "") + " belong to the suite");
        }
    }

    @Test
    void theEnvironmentSaysHowTheMeasuredProcessesRun() {
        Environment facts = MeasuredProcesses.facts(
                new Environment(Map.of("cpu", "fast")), List.of("-Xmx9g", "-Da=b"), Map.of("OMP_NUM_THREADS", "2"));

        assertThat(facts.facts())
                .containsEntry("cpu", "fast")
                .containsEntry("measured heap", "-Xmx9g")
                .containsEntry("measured direct memory", "-XX:MaxDirectMemorySize=4g")
                .containsEntry("measured JVM options", "-Xmx9g -Da=b")
                .containsEntry("OMP_NUM_THREADS", "2")
                .containsEntry("GOMP_SPINCOUNT", "unset");
        assertThat(facts.get("javacpp")).matches("\\d+\\.\\d+.*");
    }

    @Test
    void compareEndsWithOneIfTrialsAreMissingAndWithTwoIfNothingIsInCommon(@TempDir Path folder) throws IOException {
        String both = file(folder, "both", 1, 2);
        String one = file(folder, "one", 1);
        String other = file(folder, "other", 3);

        assertThat(run("bench", "compare", both, both)).isZero();
        assertThat(run("bench", "compare", one, both)).isZero();
        assertThat(run("bench", "compare", both, one)).isEqualTo(1);
        assertThat(run("bench", "compare", "--partial", both, one)).isZero();
        assertThat(run("bench", "compare", both, both, both, both)).isZero();
        assertThat(run("bench", "compare", both, both, both, one)).isEqualTo(1);
        assertThat(run("bench", "compare", both, both, one)).isEqualTo(2);
        assertThat(err.toString()).contains("runs come in pairs").contains("got 3");
        assertThat(run("bench", "compare", "--partial", both, other)).isEqualTo(2);
        assertThat(err.toString())
                .contains("no trial in common")
                .contains("tokens=2")
                .contains("tokens=3");
    }

    /** Results of trials with so many tokens. */
    private static String file(Path folder, String name, int... tokens) throws IOException {
        String results = Arrays.stream(tokens)
                .mapToObj(count -> "{\"benchmark\": \"a.B.c\", \"params\": {\"tokens\": \"" + count
                        + "\"}, \"primaryMetric\": {\"scoreUnit\": \"ms/op\", \"rawData\": [[8.0, 8.1]]}}")
                .collect(joining(", ", "[", "]"));
        return Files.writeString(folder.resolve(name), results).toString();
    }
}
