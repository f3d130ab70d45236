package ai.molae.bench.suite;

import ai.molae.bench.measure.Jvm;
import ai.molae.bench.results.Environment;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.Loader;

/** What decides how the measured processes run, beside the machine: their options and variables, which are not those of the process that starts them. */
final class MeasuredProcesses {

    private static final List<String> VARIABLES = List.of("GOMP_SPINCOUNT", "OMP_NUM_THREADS");

    private MeasuredProcesses() {}

    /**
     * Adds their facts.
     *
     * @param environment of the process that starts them
     * @param jvmOptions of the user, which come last
     * @param variables of the environment, which they inherit
     * @return the environment with theirs
     */
    static Environment facts(Environment environment, List<String> jvmOptions, Map<String, String> variables) {
        Environment facts = environment
                .with("measured heap", last("-Xmx", Jvm.HEAP, jvmOptions))
                .with("measured direct memory", last("-XX:MaxDirectMemorySize=", Jvm.DIRECT, jvmOptions))
                .with("measured compiler", last("-XX:TieredStopAtLevel=", Jvm.COMPILER, jvmOptions))
                .with("measured JVM options", jvmOptions.isEmpty() ? "none" : String.join(" ", jvmOptions));
        for (String variable : VARIABLES) {
            facts = facts.with(variable, variables.getOrDefault(variable, "unset"));
        }
        return facts.with("javacpp", javaCpp());
    }

    /** Of two options of one kind the last counts. */
    private static String last(String kind, String own, List<String> jvmOptions) {
        return jvmOptions.stream().filter(option -> option.startsWith(kind)).reduce(own, (earlier, later) -> later);
    }

    private static String javaCpp() {
        try {
            return Loader.getVersion();
        } catch (IOException e) {
            return "unknown";
        }
    }
}
