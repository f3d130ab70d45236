package ai.molae.bench.study;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.cost.CostModel;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.TrainingData;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.PeakFlops;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.MemoryEstimate;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * How much of the machine's peak a whole training step keeps busy, optimizer, attention, norms, loss and reading included, as the trainer tells
 * it; for MoE and MoLAE, with and without recomputation.
 *
 * <pre>{@code
 * mvn -q -Dmolae.quick -Dmaven.test.skip=true -pl molae-bench -am package
 * java -cp "molae-bench/target/quick/molae-bench.jar:molae-bench/target/quick/lib/*" ai.molae.bench.TrainingUtilisation
 * }</pre>
 */
@Command(
        name = "TrainingUtilisation",
        mixinStandardHelpOptions = true,
        description = "Prints the model FLOPs utilisation of training steps.")
public final class TrainingUtilisation implements Callable<Integer> {

    private static final int VOCAB = 8192;
    private static final int HEAD_DIM = 128;

    @Option(names = "--hidden", defaultValue = "1024", description = "n (default: ${DEFAULT-VALUE}).")
    private int hidden;

    @Option(names = "--width", defaultValue = "1024", description = "m of an expert (default: ${DEFAULT-VALUE}).")
    private int width;

    @Option(names = "--latent", defaultValue = "512", description = "Latent size of MoLAE (default: ${DEFAULT-VALUE}).")
    private int latent;

    @Option(names = "--experts", defaultValue = "8", description = "N (default: ${DEFAULT-VALUE}).")
    private int experts;

    @Option(names = "--top-k", defaultValue = "2", description = "K (default: ${DEFAULT-VALUE}).")
    private int topK;

    @Option(names = "--layers", defaultValue = "4", description = "Default: ${DEFAULT-VALUE}.")
    private int layers;

    @Option(names = "--batch", defaultValue = "16", description = "Sequences of a pass (default: ${DEFAULT-VALUE}).")
    private int batch;

    @Option(names = "--sequence", defaultValue = "512", description = "Default: ${DEFAULT-VALUE}.")
    private int sequence;

    @Option(names = "--steps", defaultValue = "8", description = "Default: ${DEFAULT-VALUE}; the first three warm up.")
    private int steps;

    @Option(names = "--precisions", split = ",", defaultValue = "BFLOAT16", description = "Default: bfloat16.")
    private List<Precision> precisions = List.of();

    private TrainingUtilisation() {}

    /**
     * Runs the benchmark.
     *
     * @param args see {@code --help}
     */
    public static void main(String[] args) {
        System.exit(new CommandLine(new TrainingUtilisation())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .execute(args));
    }

    @Override
    public Integer call() throws IOException {
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(hidden)
                .setIntermediateSize(width)
                .setNumExperts(experts)
                .setTopK(topK)
                .optRouter(RouterSpec.builder().optAuxLossCoef(0.01).build())
                .build();
        MoeSpec molae = moe.withLatent(
                LatentSpec.builder().setLatentSize(latent).setGroupSize(experts).build());
        System.out.println(
                "| model | precision | recompute | tokens per step | seconds | tokens/s | GFLOP/s | peak GFLOP/s | utilisation | making a batch ms | peak memory / estimate MB |");
        System.out.println("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        for (Precision precision : precisions) {
            for (int recompute : new int[] {0, 1}) {
                run("MoE", moe, precision, recompute);
                run("MoLAE", molae, precision, recompute);
            }
        }
        return 0;
    }

    private void run(String name, MoeSpec moe, Precision precision, int recompute) throws IOException {
        ModelSpec spec = ModelSpec.builder()
                .setVocabSize(VOCAB)
                .setAttention(
                        GroupedQueryAttentionSpec.of(hidden / HEAD_DIM, Math.max(1, hidden / HEAD_DIM / 4), HEAD_DIM))
                .addLayers(layers, moe)
                .optMaxPositionEmbeddings(sequence)
                .build();
        TrainingData data =
                new PackedWindows(new Random(1).ints(1_000_000, 0, VOCAB).toArray(), sequence, 1);
        List<LmTrainingListener.Step> timed = new ArrayList<>();
        LmTrainingListener listener = new LmTrainingListener() {
            @Override
            public void onStep(Step step) {
                if (step.step() > 3) {
                    timed.add(step);
                }
            }
        };
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Engine.getEngine("PyTorch").setRandomSeed(1);
            CausalLm model =
                    CausalLm.builder().setSpec(spec).optPrecision(precision).build();
            model.initialize(manager, DataType.FLOAT32, new Shape(1, sequence));
            model.setRecompute(recompute);
            MemoryEstimate estimate = MemoryEstimate.of(model, batch, sequence, 8);
            TrainingConfig config = TrainingConfig.builder()
                    .setSteps(steps)
                    .setBatchSize(batch)
                    .optMeasurePeak(true)
                    .build();
            long peakBytes;
            try (NativeMemory.Peak peak = NativeMemory.watchPeak();
                    LmTrainer trainer = LmTrainer.builder()
                            .setModel(model)
                            .setData(data)
                            .setConfig(config)
                            .optListener(listener)
                            .build()) {
                trainer.train();
                peakBytes = peak.bytes().orElse(0) - peak.startBytes().orElse(0);
            }
            print(name, spec, precision, recompute, timed, batchMillis(data), peakBytes, estimate);
        }
    }

    /** What the reading thread does for a step. */
    private double batchMillis(TrainingData data) {
        long start = System.nanoTime();
        for (int i = 0; i < 10; i++) {
            data.shuffled((long) i * batch, batch);
        }
        return (System.nanoTime() - start) * 1e-7;
    }

    private void print(
            String name,
            ModelSpec spec,
            Precision precision,
            int recompute,
            List<LmTrainingListener.Step> timed,
            double batchMillis,
            long peakBytes,
            MemoryEstimate estimate) {
        double seconds =
                median(timed.stream().map(LmTrainingListener.Step::stepSeconds).toList());
        double utilisation = median(
                timed.stream().map(LmTrainingListener.Step::flopsUtilisation).toList());
        long tokens = (long) batch * sequence;
        double flops = CostModel.model(spec).trainingFlops(sequence) * tokens / seconds;
        System.out.printf(
                Locale.ROOT,
                "| %s | %s | %s | %,d | %.2f | %,.0f | %.0f | %.0f | %.1f %% | %.2f | %.0f / %.0f |%n",
                name,
                precision.name().toLowerCase(Locale.ROOT),
                recompute == 0 ? "no" : "every layer",
                tokens,
                seconds,
                tokens / seconds,
                flops / 1e9,
                PeakFlops.measure(precision, Device.cpu()) / 1e9,
                100 * utilisation,
                batchMillis,
                peakBytes / 1e6,
                estimate.needed() / 1e6);
    }

    private static double median(List<Double> values) {
        return values.stream().sorted().toList().get(values.size() / 2);
    }
}
