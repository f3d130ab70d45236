package ai.molae.bench.study;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.cost.CostModel;
import ai.molae.cost.ModelPart;
import ai.molae.djl.convert.ConversionMethod;
import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.Converter;
import ai.molae.djl.convert.DistillationSpec;
import ai.molae.djl.convert.GroupPolicy;
import ai.molae.djl.convert.Healing;
import ai.molae.djl.convert.RankPolicy;
import ai.molae.djl.convert.Weighting;
import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.CalibrationWindows;
import ai.molae.djl.convert.calibrate.Calibrator;
import ai.molae.djl.convert.calibrate.InnerMoments;
import ai.molae.djl.convert.calibrate.MomentSettings;
import ai.molae.djl.data.ByteTokenizer;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.TextCorpus;
import ai.molae.djl.files.Folders;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.LearningRateSchedule;
import ai.molae.djl.train.LmTrainer;
import ai.molae.djl.train.TrainingConfig;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Trains small MoE language models on text, converts them by every method to several sizes, and prints what that cost on held-out text, beside MoLAEs of
 * the same size trained from scratch for as long.
 *
 * <pre>{@code
 * mvn -q -Dmolae.quick -Dmaven.test.skip=true -pl molae-bench -am package
 * java -cp "molae-bench/target/quick/molae-bench.jar:molae-bench/target/quick/lib/*" \
 *     ai.molae.bench.ConversionComparison --text SOURCES.jar --out FOLDER
 * }</pre>
 *
 * Everything is kept in the folder, and the same command goes on where it was interrupted.
 */
@Command(
        name = "ConversionComparison",
        mixinStandardHelpOptions = true,
        description = "Converts trained MoE models by every method and prints losses on held-out text.")
public final class ConversionComparison implements Callable<Integer> {

    private static final double VALIDATION_SHARE = 0.05;
    private static final int GROUP = 8;
    private static final String SCRATCH = "trained from scratch";

    @Option(names = "--text", required = true, description = "Files, folders or archives; bytes are the tokens.")
    private List<Path> text = new ArrayList<>();

    @Option(names = "--out", required = true, description = "Where models and results are kept.")
    private Path out = Path.of("");

    @Option(names = "--steps", defaultValue = "1200", description = "Of training (default: ${DEFAULT-VALUE}).")
    private int steps;

    @Option(names = "--batch", defaultValue = "4", description = "Default: ${DEFAULT-VALUE}.")
    private int batch;

    @Option(names = "--sequence", defaultValue = "256", description = "Default: ${DEFAULT-VALUE}.")
    private int sequence;

    @Option(names = "--layers", defaultValue = "4", description = "Default: ${DEFAULT-VALUE}.")
    private int layers;

    @Option(names = "--hidden", defaultValue = "256", description = "n; experts have n/2 (default: ${DEFAULT-VALUE}).")
    private int hidden;

    @Option(names = "--experts", defaultValue = "32", description = "Default: ${DEFAULT-VALUE}.")
    private int experts;

    @Option(names = "--lr", defaultValue = "2e-3", description = "Of training (default: ${DEFAULT-VALUE}).")
    private double learningRate;

    @Option(names = "--seeds", split = ",", defaultValue = "1,2,3", description = "Default: ${DEFAULT-VALUE}.")
    private List<Integer> seeds = List.of();

    @Option(
            names = "--ratios",
            split = ",",
            defaultValue = "0.9,0.8,0.7,0.6,0.5",
            description = "Shares of the experts' parameters (default: ${DEFAULT-VALUE}).")
    private List<Double> ratios = List.of();

    @Option(names = "--calibration-tokens", defaultValue = "65536", description = "Default: ${DEFAULT-VALUE}.")
    private int calibrationTokens;

    @Option(names = "--distill", defaultValue = "200", description = "Steps of each layer (default: ${DEFAULT-VALUE}).")
    private int distillationSteps;

    @Option(names = "--heal", defaultValue = "200", description = "Steps of healing (default: ${DEFAULT-VALUE}).")
    private int healingSteps;

    @Option(
            names = "--evaluation",
            defaultValue = "32",
            description = "Batches of held-out text (default: ${DEFAULT-VALUE}).")
    private int evaluationBatches;

    @Option(names = "--no-scratch", description = "Without models trained from scratch.")
    private boolean noScratch;

    @Option(names = "--table", description = "Only print what there is.")
    private boolean tableOnly;

    private TextCorpus.@Nullable Split split;

    /** A method with its place in the table. */
    private record Row(String name, boolean calibrated, ConversionMethod method) {}

    private ConversionComparison() {}

    /**
     * Runs the comparison.
     *
     * @param args see {@code --help}
     */
    public static void main(String[] args) {
        System.exit(new CommandLine(new ConversionComparison())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .execute(args));
    }

    @Override
    public Integer call() throws IOException {
        Files.createDirectories(out);
        ConversionResults results = new ConversionResults(out.resolve("results.csv"));
        if (!tableOnly) {
            // The same held-out text for all; seeds decide about weights and order.
            split = Sample.text(text).split(new ByteTokenizer(), VALIDATION_SHARE, 1);
            for (int seed : seeds) {
                base(seed, results);
            }
            for (int seed : seeds) {
                for (double ratio : ratios) {
                    convert(seed, ratio, results);
                }
            }
            for (int seed : seeds) {
                for (double ratio : ratios) {
                    refine(seed, ratio, results);
                }
            }
            for (int seed : seeds) {
                for (double ratio : noScratch ? List.<Double>of() : ratios) {
                    scratch(seed, ratio, results);
                }
            }
        }
        System.out.println(results.table(ratios));
        return 0;
    }

    private TextCorpus.Split split() {
        if (split == null) {
            throw new IllegalStateException("the text has not been read");
        }
        return split;
    }

    private MoeSpec moe() {
        return MoeSpec.builder()
                .setHiddenSize(hidden)
                .setIntermediateSize(hidden / 2)
                .setNumExperts(experts)
                .setTopK(4)
                .optRouter(RouterSpec.builder()
                        .optAuxLossCoef(0.01)
                        .optZLossCoef(0.001)
                        .build())
                .build();
    }

    private List<Row> rows(double ratio) {
        RankPolicy uniform = new RankPolicy.Uniform(ratio);
        GroupPolicy overlap = new GroupPolicy(GroupPolicy.Kind.SUBSPACE, GROUP, true);
        ConversionMethod.Builder down =
                ConversionMethod.builder().setRanks(uniform).optGroups(GroupPolicy.contiguous(GROUP));
        return List.of(
                new Row("paper: gate and up, two steps, groups of 8", false, ConversionMethod.paper(ratio)),
                new Row("+ down on the output side, one step", false, down.build()),
                new Row("+ groups by overlap", false, down.optGroups(overlap).build()),
                new Row("one group (data-free)", false, ConversionMethod.dataFree(ratio)),
                new Row(
                        "groups by overlap + activations",
                        true,
                        down.optWeighting(Weighting.ACTIVATIONS).build()),
                new Row("+ sensitivity, ranks by budget (calibrated)", true, ConversionMethod.calibrated(ratio)));
    }

    private void convert(int seed, double ratio, ConversionResults results) throws IOException {
        for (Row row : rows(ratio)) {
            if (!results.has(row.name(), ratio, seed)) {
                Path folder = converted(seed, row.method(), row.calibrated());
                results.add(row.name(), ratio, seed, loss(folder));
                Folders.delete(folder);
            }
        }
    }

    /** What trains: slower, so after all others. */
    private void refine(int seed, double ratio, ConversionResults results) throws IOException {
        String refined = "+ distillation of layers, " + distillationSteps + " steps";
        String healed = "+ healing, " + healingSteps + " steps";
        if (results.has(healed, ratio, seed)) {
            return;
        }
        ConversionMethod calibrated = ConversionMethod.calibrated(ratio);
        ConversionMethod method = ConversionMethod.builder()
                .setRanks(calibrated.ranks())
                .optGroups(calibrated.groups())
                .optWeighting(calibrated.weighting())
                .optDistillation(new DistillationSpec(
                        distillationSteps,
                        DistillationSpec.DEFAULT.tokensPerStep(),
                        DistillationSpec.DEFAULT.learningRate()))
                .build();
        Path folder = converted(seed, method, true);
        if (!results.has(refined, ratio, seed)) {
            results.add(refined, ratio, seed, loss(folder));
        }
        Healing.builder()
                .setData(new PackedWindows(split().train(), sequence, 100 + seed))
                .setSteps(healingSteps)
                .optBatchSize(batch)
                .build()
                .heal(folder, Precision.BFLOAT16);
        results.add(healed, ratio, seed, loss(folder));
        Folders.delete(folder);
    }

    private Path converted(int seed, ConversionMethod method, boolean calibrated) throws IOException {
        Path target = out.resolve("converted-seed" + seed);
        Folders.delete(target);
        CheckpointDraft.discard(target);
        Converter.Builder converter =
                Converter.builder().setSource(base(seed)).setTarget(target).setMethod(method);
        if (calibrated) {
            converter.optCalibration(calibration(seed));
        }
        if (method.distillation().isPresent()) {
            converter.optText(windows(seed));
        }
        ConversionReport report = converter.build().convert();
        System.out.printf(
                Locale.ROOT,
                "seed %d, %s: %.4f of the experts' parameters%n",
                seed,
                method.ranks(),
                (double) CostModel.model(report.after()).parameters(ModelPart.ROUTED_EXPERTS)
                        / CostModel.model(report.before()).parameters(ModelPart.ROUTED_EXPERTS));
        return target;
    }

    private Path base(int seed) {
        return out.resolve("base-seed" + seed);
    }

    private List<int[]> windows(int seed) {
        return CalibrationWindows.of(new PackedWindows(split().train(), sequence, 1000 + seed), calibrationTokens);
    }

    private Calibration calibration(int seed) throws IOException {
        Path folder = out.resolve("calibration-seed" + seed);
        if (Files.exists(folder)) {
            return Calibration.open(folder);
        }
        try (Checkpoint checkpoint = Checkpoint.open(base(seed))) {
            return Calibrator.builder()
                    .setCheckpoint(checkpoint)
                    .setWindows(windows(seed))
                    .setTarget(folder)
                    .optSettings(new MomentSettings(false, InnerMoments.FULL))
                    .build()
                    .calibrate();
        }
    }

    private void base(int seed, ConversionResults results) throws IOException {
        train(base(seed), moe(), seed);
        if (!results.has("standard MoE", 1, seed)) {
            results.add("standard MoE", 1, seed, loss(base(seed)));
        }
    }

    /** All operators factored, groups of eight, the latent size that fits the ratio. */
    private void scratch(int seed, double ratio, ConversionResults results) throws IOException {
        if (results.has(SCRATCH, ratio, seed)) {
            return;
        }
        double m = hidden / 2.0;
        int r = (int) (ratio * hidden * m / (m + (double) hidden / GROUP));
        Path folder = out.resolve("scratch-" + ratio + "-seed" + seed);
        train(
                folder,
                moe().withLatent(LatentSpec.builder()
                        .setLatentSize(r)
                        .setGroupSize(GROUP)
                        .build()),
                seed);
        results.add(SCRATCH, ratio, seed, loss(folder));
    }

    private void train(Path folder, MoeSpec moe, int seed) throws IOException {
        if (Files.exists(folder.resolve("config.json"))) {
            return;
        }
        ModelSpec spec = ModelSpec.builder()
                .setVocabSize(ByteTokenizer.VOCAB_SIZE)
                .setAttention(GroupedQueryAttentionSpec.of(hidden / 64, hidden / 128, 64))
                .addLayers(layers, moe)
                .optMaxPositionEmbeddings(sequence)
                .optTieWordEmbeddings(true)
                .build();
        long stepTokens = (long) batch * sequence;
        TrainingConfig config = TrainingConfig.builder()
                .setSteps(steps)
                .setBatchSize(batch)
                .optSchedule(LearningRateSchedule.warmupCosine(
                        learningRate, learningRate / 20, Math.max(1, steps / 20) * stepTokens, steps * stepTokens))
                .build();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Engine.getEngine("PyTorch").setRandomSeed(seed);
            CausalLm model = CausalLm.builder()
                    .setSpec(spec)
                    .optPrecision(Precision.BFLOAT16)
                    .build();
            model.initialize(manager, DataType.FLOAT32, new Shape(1, sequence));
            try (LmTrainer trainer = LmTrainer.builder()
                    .setModel(model)
                    .setData(new PackedWindows(split().train(), sequence, seed))
                    .setConfig(config)
                    .build()) {
                trainer.train();
            }
            CheckpointSaver.of(model).save(folder);
        }
    }

    /** On held-out text, in float32. */
    private double loss(Path folder) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            CausalLm model = checkpoint.load(manager, Precision.FLOAT32);
            TrainingConfig config = TrainingConfig.builder()
                    .setSteps(1)
                    .setBatchSize(batch)
                    .optEvaluation(1, evaluationBatches)
                    .build();
            try (LmTrainer trainer = LmTrainer.builder()
                    .setModel(model)
                    .setData(new PackedWindows(split().train(), sequence, 1))
                    .setConfig(config)
                    .optValidation(new PackedWindows(split().validation(), sequence, 1))
                    .build()) {
                return trainer.evaluate().orElseThrow().loss();
            }
        }
    }
}
