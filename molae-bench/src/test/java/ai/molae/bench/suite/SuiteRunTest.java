package ai.molae.bench.suite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.molae.bench.measure.Jvm;
import ai.molae.bench.report.ReportFolder;
import ai.molae.bench.results.Result;
import ai.molae.bench.results.Results;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;

class SuiteRunTest {

    private static final TrialSet ROUTE = TrialSet.of("layer.RoutingDispatch.route")
            .with("scale", "TINY")
            .with("shape", "PAPER")
            .with("variant", "MOE")
            .with("tokens", 1);

    @Test
    void optionsOfTheUserComeAfterThoseOfTheBenchmarks() {
        Options options = new SuiteRun(Path.of("nowhere"), List.of("-Xmx9g", "-Da=b"))
                .options(TrialSet.of("layer.LayerForward.forward").with("tokens", 1));

        assertThat(options.getJvmArgsAppend().get())
                .containsExactly(Jvm.HEAP, Jvm.DIRECT, Jvm.TRACKING, Jvm.COMPILER, "-Xmx9g", "-Da=b");
        assertThat(options.getParameter("tokens").get()).containsExactly("1");
    }

    /** Another JMH on this machine does not matter to a test. */
    @BeforeEach
    void ignoreLock() {
        System.setProperty("jmh.ignoreLock", "true");
    }

    @AfterEach
    void heedLock() {
        System.clearProperty("jmh.ignoreLock");
    }

    /** The third trial stops the run, because there is no such benchmark; a trial with zero tokens fails. */
    @Test
    void whatWasMeasuredOrFailedBeforeARunStopsIsInItsFolder(@TempDir Path folder) throws Exception {
        Plan plan = new Plan(
                List.of(ROUTE, ROUTE.with("tokens", 0), TrialSet.of("layer.Nothing.at.all")),
                List.of("not supported: a peer: because"));
        PrintWriter err = new PrintWriter(new StringWriter());

        assertThatThrownBy(() -> new SuiteRun(folder, List.of("-Dmolae.test=1")).run(plan, err))
                .isInstanceOf(RunnerException.class);

        assertThat(Results.read(folder.resolve(SuiteRun.RESULTS)))
                .singleElement()
                .satisfies(result -> assertThat(result.param("tokens")).isEqualTo("1"));
        assertThat(Files.readAllLines(folder.resolve(ReportFolder.FAILURES)))
                .hasSize(2)
                .anySatisfy(line ->
                        assertThat(line).contains("RoutingDispatch.route").contains("tokens=0"))
                .contains("not supported: a peer: because");
        assertThat(folder.resolve(SuiteRun.LOG))
                .content()
                .containsPattern("  \\d+\\.\\d+ ms/op")
                .doesNotContain("IterationResult@");
    }

    @Test
    void whatWasDisturbedIsMeasuredOnceMoreAndCountsOnce(@TempDir Path folder) throws Exception {
        List<Integer> seen = new ArrayList<>();
        Plan plan = new Plan(List.of(ROUTE), List.of());

        List<String> failed = new SuiteRun(folder, List.of(), results -> {
                    seen.add(results.size());
                    return result -> 2;
                })
                .run(plan, new PrintWriter(new StringWriter()));

        assertThat(failed).isEmpty();
        assertThat(seen).containsExactly(1);
        assertThat(Files.readString(folder.resolve(SuiteRun.LOG)).split("# RoutingDispatch.route", -1))
                .hasSize(3);
        List<Result> results = Results.read(folder.resolve(SuiteRun.RESULTS));
        assertThat(results).hasSize(1);
        // the second of the two, whose score the log says last
        List<String> scores = Files.readAllLines(folder.resolve(SuiteRun.LOG)).stream()
                .filter(line -> line.matches("# \\d+\\.\\d+ ms/op"))
                .toList();
        assertThat(scores).hasSize(2);
        double mean = results.get(0).forks().get(0).stream()
                .mapToDouble(value -> value)
                .average()
                .orElseThrow();
        assertThat(scores.get(1)).isEqualTo(String.format(Locale.ROOT, "# %.4f ms/op", mean));
    }
}
