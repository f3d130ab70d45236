package ai.molae.bench.study;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.cost.CostModel;
import ai.molae.cost.ModelPart;
import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.TextCorpus;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.LearningRateSchedule;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.LmTrainingListener;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Trains a standard MoE and the MoLAE with its experts factored, at the expert shapes of the paper's pre-training pair (Liu et al., arXiv
 * 2503.23100), from several seeds and in both precisions, on the same text in the same order, and prints what each lost, cost and took.
 *
 * <pre>{@code
 * mvn -q -Dmolae.quick -Dmaven.test.skip=true -pl molae-bench -am package
 * java -cp "molae-bench/target/quick/molae-bench.jar:molae-bench/target/quick/lib/*" \
 *     ai.molae.bench.TrainingComparison --text SOURCES.jar --text MORE
 * }</pre>
 */
@Command(
        name = "TrainingComparison",
        mixinStandardHelpOptions = true,
        description =
                "Trains MoE and MoLAE at the paper's expert shapes and prints losses, spread over seeds, time and memory.")
public final class TrainingComparison implements Callable<Integer> {

    private static final double VALIDATION_SHARE = 0.05;
    private static final int TIMED_STEPS = 12;

    @Option(names = "--text", required = true, description = "Files, folders or archives; bytes are the tokens.")
    private List<Path> text = new ArrayList<>();

    @Option(names = "--layers", defaultValue = "3", description = "Default: ${DEFAULT-VALUE}; the paper has 12.")
    private int layers;

    @Option(names = "--steps", defaultValue = "250", description = "Default: ${DEFAULT-VALUE}.")
    private int steps;

    @Option(names = "--batch", defaultValue = "8", description = "Default: ${DEFAULT-VALUE}.")
    private int batch;

    @Option(names = "--sequence", defaultValue = "256", description = "Default: ${DEFAULT-VALUE}.")
    private int sequence;

    @Option(names = "--lr", defaultValue = "1e-3", description = "Peak learning rate (default: ${DEFAULT-VALUE}).")
    private double learningRate;

    @Option(names = "--seeds", split = ",", defaultValue = "1,2,3", description = "Default: ${DEFAULT-VALUE}.")
    private List<Integer> seeds = List.of();

    @Option(names = "--precisions", split = ",", defaultValue = "FLOAT32,BFLOAT16", description = "Default: both.")
    private List<Precision> precisions = List.of();

    @Option(
            names = "--time-only",
            description =
                    "Only time " + TIMED_STEPS + " steps of each, in turns: for a moment when the machine is quiet.")
    private boolean timeOnly;

    /** Which model, in which arithmetic. */
    private record Variant(String name, ModelSpec spec, Precision precision) {}

    /** What a run found. */
    private record Run(int seed, List<Double> losses, List<LmTrainingListener.Evaluation> evaluations, long peakBytes) {
        double validationLoss() {
            return evaluations.get(evaluations.size() - 1).loss();
        }
    }

    private TrainingComparison() {}

    /**
     * Runs the comparison.
     *
     * @param args see {@code --help}
     */
    public static void main(String[] args) {
        System.exit(new CommandLine(new TrainingComparison())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .execute(args));
    }

    @Override
    public Integer call() throws IOException {
        TextCorpus corpus = Sample.text(text);
        List<Variant> variants = variants();
        // The same held-out text for all; seeds decide about weights and order.
        TextCorpus.Split split = corpus.split(new ByteTokenizer(), VALIDATION_SHARE, 1);
        Map<Variant, Double> secondsPerStep = time(variants, split);
        if (timeOnly) {
            return 0;
        }
        Map<Variant, List<Run>> runs = new LinkedHashMap<>();
        for (Variant variant : variants) {
            runs.put(variant, new ArrayList<>());
        }
        for (int seed : seeds) {
            for (Variant variant : variants) {
                Run run = train(variant, split, seed, steps);
                of(runs, variant).add(run);
                System.out.printf(
                        Locale.ROOT,
                        "%s, seed %d: validation loss by step %s, peak %.0f MB%n",
                        variant.name(),
                        seed,
                        run.evaluations().stream()
                                .map(e -> String.format(Locale.ROOT, "%d: %.4f", e.step(), e.loss()))
                                .toList(),
                        run.peakBytes() / 1e6);
            }
        }
        print(runs, secondsPerStep);
        return 0;
    }

    private List<Variant> variants() {
        MoeSpec moe = MoeSpec.builder()
                .setHiddenSize(512)
                .setIntermediateSize(256)
                .setNumExperts(32)
                .setTopK(4)
                .optRouter(RouterSpec.builder()
                        .optAuxLossCoef(0.01)
                        .optZLossCoef(0.001)
                        .build())
                .build();
        MoeSpec molae = moe.withLatent(
                LatentSpec.builder().setLatentSize(256).setGroupSize(8).build());
        List<Variant> variants = new ArrayList<>();
        for (Precision precision : precisions) {
            String suffix = " " + precision.name().toLowerCase(Locale.ROOT);
            variants.add(new Variant("MoE" + suffix, model(moe), precision));
            variants.add(new Variant("MoLAE" + suffix, model(molae), precision));
        }
        return variants;
    }

    private ModelSpec model(MoeSpec moe) {
        return ModelSpec.builder()
                .setVocabSize(ByteTokenizer.VOCAB_SIZE)
                .setAttention(GroupedQueryAttentionSpec.of(8, 4, 64))
                .addLayers(layers, moe)
                .optMaxPositionEmbeddings(sequence)
                .optTieWordEmbeddings(true)
                .build();
    }

    /** Median seconds of a step, the variants in turns. */
    private Map<Variant, Double> time(List<Variant> variants, TextCorpus.Split split) throws IOException {
        Map<Variant, List<Double>> seconds = new LinkedHashMap<>();
        for (int round = 0; round < 2; round++) {
            for (Variant variant : variants) {
                List<Double> times = seconds.computeIfAbsent(variant, v -> new ArrayList<>());
                train(variant, split, 1, TIMED_STEPS, new LmTrainingListener() {
                    @Override
                    public void onStep(Step step) {
                        if (step.step() > TIMED_STEPS / 3) {
                            times.add(step.stepSeconds());
                        }
                    }
                });
            }
        }
        Map<Variant, Double> medians = new LinkedHashMap<>();
        seconds.forEach((variant, times) -> {
            double median = times.stream().sorted().toList().get(times.size() / 2);
            medians.put(variant, median);
            System.out.printf(
                    Locale.ROOT,
                    "%s: %.3f s per step, %.0f tokens/s%n",
                    variant.name(),
                    median,
                    batch * sequence / median);
        });
        return medians;
    }

    private Run train(Variant variant, TextCorpus.Split split, int seed, int count) throws IOException {
        return train(variant, split, seed, count, new LmTrainingListener() {});
    }

    private Run train(Variant variant, TextCorpus.Split split, int seed, int count, LmTrainingListener listener)
            throws IOException {
        long stepTokens = (long) batch * sequence;
        TrainingConfig config = TrainingConfig.builder()
                .setSteps(count)
                .setBatchSize(batch)
                .optSchedule(LearningRateSchedule.warmupCosine(
                        learningRate, learningRate / 10, Math.min(20, count / 10) * stepTokens, count * stepTokens))
                .optEvaluation(count == TIMED_STEPS ? 0 : Math.max(1, count / 10), count == TIMED_STEPS ? 1 : 16)
                .build();
        List<Double> losses = new ArrayList<>();
        List<LmTrainingListener.Evaluation> evaluations = new ArrayList<>();
        LmTrainingListener recorder = new LmTrainingListener() {
            @Override
            public void onStep(Step step) {
                losses.add(step.loss());
                listener.onStep(step);
            }

            @Override
            public void onEvaluation(Evaluation evaluation) {
                evaluations.add(evaluation);
            }
        };
        try (NativeMemory.Peak peak = NativeMemory.watchPeak();
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Engine.getEngine("PyTorch").setRandomSeed(seed);
            CausalLm model = CausalLm.builder()
                    .setSpec(variant.spec())
                    .optPrecision(variant.precision())
                    .build();
            model.initialize(manager, DataType.FLOAT32, new Shape(1, sequence));
            try (LmTrainer trainer = LmTrainer.builder()
                    .setModel(model)
                    .setData(new PackedWindows(split.train(), sequence, seed))
                    .setConfig(config)
                    .optValidation(new PackedWindows(split.validation(), sequence, seed))
                    .optListener(recorder)
                    .build()) {
                trainer.train();
            }
            return new Run(
                    seed,
                    losses,
                    evaluations,
                    peak.bytes().orElse(0) - peak.startBytes().orElse(0));
        }
    }

    private void print(Map<Variant, List<Run>> runs, Map<Variant, Double> secondsPerStep) {
        System.out.printf(
                Locale.ROOT,
                "%n| | parameters | of routed experts | validation loss, mean ± std of %d seeds | at the time the slowest needs | peak memory MB | tokens/s |%n| --- | ---: | ---: | ---: | ---: | ---: | ---: |%n",
                seeds.size());
        runs.forEach((variant, of) -> {
            double[] losses = of.stream().mapToDouble(Run::validationLoss).toArray();
            System.out.printf(
                    Locale.ROOT,
                    "| %s | %,d | %,d | %.4f ± %.4f | %s | %.0f | %.0f |%n",
                    variant.name(),
                    CostModel.model(variant.spec()).parameters(),
                    CostModel.model(variant.spec()).parameters(ModelPart.ROUTED_EXPERTS),
                    Sample.mean(losses),
                    Sample.deviation(losses),
                    equalTime(variant, runs, secondsPerStep),
                    Sample.mean(of.stream()
                            .mapToDouble(run -> run.peakBytes() / 1e6)
                            .toArray()),
                    batch * sequence / of(secondsPerStep, variant));
        });
    }

    /** The loss when the fastest variant of the same precision is done: of slower ones interpolated between their evaluations. */
    private String equalTime(Variant variant, Map<Variant, List<Run>> runs, Map<Variant, Double> secondsPerStep) {
        double shortest = secondsPerStep.entrySet().stream()
                .filter(entry -> entry.getKey().precision() == variant.precision())
                .mapToDouble(Map.Entry::getValue)
                .min()
                .orElseThrow();
        double step = steps * shortest / of(secondsPerStep, variant);
        double[] losses =
                of(runs, variant).stream().mapToDouble(run -> at(run, step)).toArray();
        return String.format(Locale.ROOT, "%.4f", Sample.mean(losses));
    }

    private static double at(Run run, double step) {
        LmTrainingListener.Evaluation before = run.evaluations().get(0);
        for (LmTrainingListener.Evaluation next : run.evaluations()) {
            if (next.step() >= step && next.step() > before.step()) {
                double share = (step - before.step()) / (next.step() - before.step());
                return before.loss() + share * (next.loss() - before.loss());
            }
            before = next;
        }
        return before.loss();
    }

    /** What belongs to a variant: every one has something. */
    private static <T> T of(Map<Variant, T> map, Variant variant) {
        return Objects.requireNonNull(map.get(variant), variant.name());
    }
}
