package ai.molae.bench.study;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.QkNorm;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Writes a synthetic checkpoint of two billion parameters, then loads it and generates with it in each precision, each in a process of its own,
 * and prints a Markdown table.
 *
 * <pre>{@code
 * mvn -q -Dmolae.quick -Dmaven.test.skip=true -pl molae-bench -am package
 * java -cp "molae-bench/target/quick/molae-bench.jar:molae-bench/target/quick/lib/*" \
 *     ai.molae.bench.CheckpointBenchmark --dir /somewhere/with/5/GB
 * }</pre>
 */
@Command(
        name = "CheckpointBenchmark",
        mixinStandardHelpOptions = true,
        description =
                "Loads a synthetic checkpoint and generates with it in each precision. Needs 5 GB of disk and 12 GB of memory.")
public final class CheckpointBenchmark implements Callable<Integer> {

    private static final int PROMPT = 128;
    private static final int NEW = 64;
    private static final int ROUNDS = 3;

    @Option(names = "--dir", required = true, description = "The checkpoint; written if the folder does not exist.")
    private Path dir = Path.of("");

    @Option(
            names = "--layers",
            defaultValue = "19",
            description = "Layers of 101 million parameters (default: ${DEFAULT-VALUE}).")
    private int layers;

    @Option(names = "--precisions", split = ",", description = "Default: float32, bfloat16, int8.")
    private List<Precision> precisions = List.of(Precision.FLOAT32, Precision.BFLOAT16, Precision.INT8);

    @Option(names = "--one", hidden = true, description = "Measures one precision in this process.")
    private @Nullable Precision one;

    /**
     * Runs the benchmark.
     *
     * @param args see {@code --help}
     */
    public static void main(String[] args) {
        System.exit(new CommandLine(new CheckpointBenchmark())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .execute(args));
    }

    private ModelSpec spec() {
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(1024)
                .setIntermediateSize(512)
                .setNumExperts(64)
                .setTopK(8)
                .build();
        return ModelSpec.builder()
                .setVocabSize(32_000)
                .setAttention(new GroupedQueryAttentionSpec(16, 4, 64, 1e6, false, QkNorm.PER_HEAD))
                .addLayers(layers, moe)
                .optMaxPositionEmbeddings(4096)
                .build();
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (one != null) {
            measure(one);
            return 0;
        }
        if (!Files.exists(dir)) {
            long start = System.nanoTime();
            long parameters = SyntheticCheckpoint.write(spec(), dir);
            System.out.printf(Locale.ROOT, "wrote %,d parameters in %.1f s%n%n", parameters, seconds(start));
        }
        System.out.println(
                "| precision | load s | s per GB of file | model GB | peak GB | peak / model | first token of " + PROMPT
                        + " ms | prompt tokens/s | tokens/s |");
        System.out.println("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        for (Precision precision : precisions) {
            System.out.println(fork(precision));
        }
        return 0;
    }

    /** In a process of its own, so that its peak memory is its own. */
    private String fork(Precision precision) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path")));
        for (String property : List.of("molae.cache", "ai.djl.offline", "org.slf4j.simpleLogger.defaultLogLevel")) {
            Optional.ofNullable(System.getProperty(property))
                    .ifPresent(value -> command.add(2, "-D" + property + "=" + value));
        }
        command.addAll(
                List.of(CheckpointBenchmark.class.getName(), "--dir", dir.toString(), "--one", precision.name()));
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        // As the launcher does: threads that wait for each other do not take the core from the other ones.
        builder.environment().putIfAbsent("GOMP_SPINCOUNT", "10000");
        Process process = builder.start();
        String last = "";
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                last = line.startsWith("|") ? line : last;
            }
        }
        if (process.waitFor() != 0) {
            throw new IllegalStateException("measuring " + precision + " failed; see above");
        }
        return last;
    }

    private void measure(Precision precision) throws IOException {
        try (NDManager manager = NDManager.newBaseManager();
                Checkpoint checkpoint = Checkpoint.open(dir)) {
            manager.zeros(new Shape(1)).close();
            double before = resident("VmRSS");
            long start = System.nanoTime();
            CausalLm model = checkpoint.loadForInference(manager, precision);
            double load = seconds(start);
            double peak = resident("VmHWM") - before;
            double fileGb = checkpoint.tensors().bytes() / 1e9;
            double modelGb = fileGb * bytesPerWeight(precision) / 2;
            Generator generator = new Generator(model);
            int[] prompt = new int[PROMPT];
            Arrays.setAll(prompt, i -> (i * 7919) % checkpoint.spec().vocabSize());
            generator.generate(prompt, Sampling.greedy(8));
            double[] first = new double[ROUNDS];
            double[] rate = new double[ROUNDS];
            for (int i = 0; i < ROUNDS; i++) {
                long begin = System.nanoTime();
                double[] firstAt = new double[1];
                generator.generate(prompt, Sampling.greedy(NEW + 1), token -> {
                    if (firstAt[0] == 0) {
                        firstAt[0] = seconds(begin);
                    }
                });
                first[i] = firstAt[0];
                rate[i] = NEW / (seconds(begin) - firstAt[0]);
            }
            Arrays.sort(first);
            Arrays.sort(rate);
            double median = first[ROUNDS / 2];
            System.out.printf(
                    Locale.ROOT,
                    "| %s | %.1f | %.2f | %.2f | %.2f | %.2f | %.0f | %.0f | %.1f |%n",
                    precision.name().toLowerCase(Locale.ROOT),
                    load,
                    load / fileGb,
                    modelGb,
                    peak,
                    peak / modelGb,
                    median * 1e3,
                    PROMPT / median,
                    rate[ROUNDS / 2]);
            NativeMemory.trim();
        }
    }

    private static double bytesPerWeight(Precision precision) {
        return switch (precision) {
            case FLOAT32 -> 4;
            case BFLOAT16, FLOAT16 -> 2;
            case INT8 -> 1;
        };
    }

    private static double seconds(long start) {
        return (System.nanoTime() - start) * 1e-9;
    }

    /** A figure of the process in GB, of the JVM and libtorch as well as the model. */
    private static double resident(String name) throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith(name + ":")) {
                return Long.parseLong(line.replaceAll("\\D", "")) * 1024 / 1e9;
            }
        }
        throw new IllegalStateException("no " + name + " in /proc/self/status; memory is measured on Linux only");
    }
}
