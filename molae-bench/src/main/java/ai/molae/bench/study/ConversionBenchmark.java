package ai.molae.bench.study;

import ai.molae.bench.model.SyntheticCheckpoint;
import ai.molae.djl.convert.ConversionMethod;
import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.Converter;
import ai.molae.djl.convert.GroupPolicy;
import ai.molae.djl.convert.RankPolicy;
import ai.molae.djl.files.Folders;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Converts one layer of a published model's size, written with random weights in bfloat16, and prints the time it took and the native memory at its peak.
 *
 * <pre>{@code
 * mvn -q -Dmolae.quick -Dmaven.test.skip=true -pl molae-bench -am package
 * java -cp "molae-bench/target/quick/molae-bench.jar:molae-bench/target/quick/lib/*" \
 *     ai.molae.bench.ConversionBenchmark --dir /somewhere/with/5/GB --layer QWEN3_30B_A3B
 * }</pre>
 */
@Command(
        name = "ConversionBenchmark",
        mixinStandardHelpOptions = true,
        description = "Converts a layer of a published model's size and prints time and memory.")
public final class ConversionBenchmark implements Callable<Integer> {

    /** Which layer. */
    enum Layer {
        /** 128 experts of 2048 × 768, all in one group. */
        QWEN3_30B_A3B(2048, 768, 128),
        /** 16 of DeepSeek-V3's experts of 7168 × 2048, as one group. */
        DEEPSEEK_V3_GROUP(7168, 2048, 16);

        private final int hidden;
        private final int intermediate;
        private final int experts;

        Layer(int hidden, int intermediate, int experts) {
            this.hidden = hidden;
            this.intermediate = intermediate;
            this.experts = experts;
        }

        ModelSpec model() {
            return ModelSpec.builder()
                    .setVocabSize(256)
                    .setAttention(GroupedQueryAttentionSpec.of(1, 1, 64))
                    .addLayers(
                            1,
                            MoeSpec.builder()
                                    .setHiddenSize(hidden)
                                    .setIntermediateSize(intermediate)
                                    .setNumExperts(experts)
                                    .setTopK(8)
                                    .build())
                    .optMaxPositionEmbeddings(64)
                    .build();
        }
    }

    @Option(names = "--dir", required = true, description = "For the layer and what becomes of it.")
    private Path dir = Path.of("");

    @Option(names = "--layer", required = true, description = "${COMPLETION-CANDIDATES}")
    private @Nullable Layer layer;

    @Option(names = "--ratio", defaultValue = "0.7", description = "Default: ${DEFAULT-VALUE}.")
    private double ratio;

    @Option(names = "--memory", defaultValue = "6000", description = "Limit in MB (default: ${DEFAULT-VALUE}).")
    private long memory;

    @Option(
            names = "--threads",
            defaultValue = "1",
            description = "Factorisations at a time (default: ${DEFAULT-VALUE}).")
    private int threads;

    @Option(names = "--rounds", defaultValue = "3", description = "Default: ${DEFAULT-VALUE}.")
    private int rounds;

    private ConversionBenchmark() {}

    /**
     * Runs the benchmark.
     *
     * @param args see {@code --help}
     */
    public static void main(String[] args) {
        System.exit(new CommandLine(new ConversionBenchmark())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .execute(args));
    }

    @Override
    public Integer call() throws IOException {
        if (layer == null) {
            throw new IllegalArgumentException("--layer is missing");
        }
        Path source = dir.resolve(layer.name().toLowerCase(Locale.ROOT));
        if (Files.notExists(source)) {
            SyntheticCheckpoint.write(layer.model(), source);
        }
        ConversionMethod method = ConversionMethod.builder()
                .setRanks(new RankPolicy.Uniform(ratio))
                .optGroups(GroupPolicy.contiguous(0))
                .build();
        for (int round = 0; round < rounds; round++) {
            Path target = dir.resolve("converted");
            Folders.delete(target);
            CheckpointDraft.discard(target);
            long start = System.nanoTime();
            try (NativeMemory.Peak peak = NativeMemory.watchPeak()) {
                ConversionReport report = Converter.builder()
                        .setSource(source)
                        .setTarget(target)
                        .setMethod(method)
                        .optMemoryLimit(memory << 20)
                        .optThreads(threads)
                        .build()
                        .convert();
                System.out.printf(
                        Locale.ROOT,
                        "%s, latent sizes %s: %.1f s, peak native memory %.0f MB, limit %d MB, %d threads%n",
                        layer,
                        report.layers().get(0).after().latent().orElseThrow().latentSizes(),
                        (System.nanoTime() - start) / 1e9,
                        (peak.bytes().orElse(0) - peak.startBytes().orElse(0)) / 1e6,
                        memory,
                        threads);
            }
        }
        return 0;
    }
}
