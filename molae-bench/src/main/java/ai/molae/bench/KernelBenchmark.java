package ai.molae.bench;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import java.io.PrintStream;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Measures molae's kernels against the limits of the machine and against other implementations, and prints Markdown tables. All figures that
 * are compared come from one run, side by side; read the ratios.
 *
 * <pre>{@code
 * mvn -q -Dmolae.quick -Dmaven.test.skip=true -pl molae-bench -am package
 * java -Xmx3g -XX:MaxDirectMemorySize=3g -cp "molae-bench/target/quick/molae-bench.jar:molae-bench/target/quick/lib/*" \
 *     ai.molae.bench.KernelBenchmark
 * }</pre>
 */
@Command(
        name = "KernelBenchmark",
        mixinStandardHelpOptions = true,
        description =
                "Measures molae's kernels side by side with the machine's limits and other implementations. Needs 16 GB.")
public final class KernelBenchmark implements Callable<Integer> {

    /** A part of the benchmark. */
    enum Section {
        FORWARD,
        TRAINING,
        MEMORY,
        SCALING
    }

    @Option(names = "--only", split = ",", description = "Sections to run: ${COMPLETION-CANDIDATES}. Default: all.")
    private Set<Section> sections = EnumSet.allOf(Section.class);

    @Option(
            names = "--tokens",
            split = ",",
            defaultValue = "1,4,64,512,2048",
            description = "Batch sizes of the forward section (default: ${DEFAULT-VALUE}).")
    private List<Integer> tokens = List.of();

    @Option(
            names = "--effort",
            defaultValue = "1",
            description = "Multiplies the number of rounds; below 1 for a quick look (default: ${DEFAULT-VALUE}).")
    private double effort;

    /**
     * Runs the benchmark.
     *
     * @param args see {@code --help}
     */
    public static void main(String[] args) {
        System.exit(new CommandLine(new KernelBenchmark())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .execute(args));
    }

    @Override
    public Integer call() throws Exception {
        PrintStream out = System.out;
        try (NDManager manager = NDManager.newBaseManager()) {
            out.printf(
                    Locale.ROOT,
                    "JDK %s, libtorch %s, %d threads, %s %s%n%n",
                    Runtime.version(),
                    Engine.getEngine("PyTorch").getVersion(),
                    JniUtils.getNumThreads(),
                    System.getProperty("os.name"),
                    System.getProperty("os.arch"));
            if (sections.contains(Section.FORWARD)) {
                try (NDManager own = manager.newSubManager()) {
                    new ForwardSection(own, out).run(tokens, effort);
                }
            }
            if (sections.contains(Section.TRAINING)) {
                for (int T : new int[] {512, 2048}) {
                    new TrainingSection(manager, out).run(T, effort);
                }
            }
            if (sections.contains(Section.MEMORY)) {
                new MemorySection(manager, out).run(2048);
            }
            if (sections.contains(Section.SCALING)) {
                new ScalingSection(manager, out).run(effort);
            }
        }
        return 0;
    }
}
