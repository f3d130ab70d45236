package ai.molae.examples;

import ai.djl.ndarray.NDManager;
import ai.molae.cost.CostModel;
import ai.molae.djl.convert.ConversionMethod;
import ai.molae.djl.convert.ConversionReport;
import ai.molae.djl.convert.Converter;
import ai.molae.djl.convert.Healing;
import ai.molae.djl.convert.LayerConversion;
import ai.molae.djl.convert.OperatorError;
import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.CalibrationWindows;
import ai.molae.djl.convert.calibrate.Calibrator;
import ai.molae.djl.convert.report.ConversionFiles;
import ai.molae.djl.data.HfTokenizer;
import ai.molae.djl.data.PackedWindows;
import ai.molae.djl.data.TextCorpus;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DistillationLoss;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.Telemetry;
import ai.molae.djl.train.ValidationLoss;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Makes a MoE checkpoint smaller: each expert matrix becomes a small one of its own times a projection that its group shares. What the experts read on
 * a text decides which errors matter; a little training afterwards, towards what the original says, gives back part of what was lost.
 *
 * <p>Arguments: MOE, a folder with config.json, safetensors and tokenizer.json; TEXT, a file, folder or zip archive; OUT, a folder that does not exist yet
 */
public final class ConvertAndHeal {

    /** The share of the routed experts' parameters that is left. */
    private static final double RATIO = 0.6;

    private static final int BATCH = 8;
    private static final int LONGEST_WINDOW = 256;
    private static final long CALIBRATION_TOKENS = 65_536;
    private static final long MEASURED_TOKENS = 8_192;

    private ConvertAndHeal() {}

    /** Losses on text that nothing was fitted to, in nats per token. */
    record Result(double original, double converted, double healed) {}

    /** Runs the example. */
    public static void main(String[] args) throws IOException {
        Telemetry.optOut(); // before DJL starts
        if (args.length != 3) {
            System.out.println("Three folders: a MoE checkpoint, text, and where the MoLAE goes.");
            return;
        }
        run(Path.of(args[0]), Path.of(args[1]), Path.of(args[2]), 100);
    }

    static Result run(Path moe, Path texts, Path target, int healingSteps) throws IOException {
        try (HfTokenizer tokenizer = HfTokenizer.load(moe);
                Checkpoint checkpoint = Checkpoint.open(moe);
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            int length = Math.min(LONGEST_WINDOW, checkpoint.spec().maxPositionEmbeddings());
            TextCorpus.Split text = TextCorpus.read(texts, name -> true).split(tokenizer, 0.1, 1);
            PackedWindows train = new PackedWindows(text.train(), length, 1);
            PackedWindows held = new PackedWindows(text.validation(), length, 1);

            ConversionReport report = convert(checkpoint, train, target);
            print(report);

            CausalLm original = checkpoint.loadForInference(manager, Precision.BFLOAT16);
            double before = ValidationLoss.of(original, held, BATCH).nats();
            Healing.Result healing = heal(manager, original, train, held, target, healingSteps);
            Result result = new Result(
                    before, healing.before().orElseThrow(), healing.after().orElseThrow());
            System.out.printf(
                    "loss on held-out text, in nats per token: original %.4f, converted %.4f, healed in %d steps %.4f%n",
                    result.original(), result.converted(), healing.steps(), result.healed());
            ConversionFiles.write(
                    report.withLoss("original", result.original())
                            .withLoss("converted", result.converted())
                            .withLoss("healed", result.healed()),
                    target);
            System.out.println("saved in " + target + ", with conversion.md and conversion.html");
            return result;
        }
    }

    /** Converts layer by layer; the model need not fit into memory. */
    private static ConversionReport convert(Checkpoint checkpoint, PackedWindows text, Path target) throws IOException {
        ConversionMethod method = ConversionMethod.calibrated(RATIO);
        Path moments = target.resolveSibling(target.getFileName() + "-calibration"); // serves other conversions too
        Calibration calibration = Files.exists(moments)
                ? Calibration.open(moments)
                : Calibrator.builder()
                        .setCheckpoint(checkpoint)
                        .setData(text, CALIBRATION_TOKENS)
                        .setTarget(moments)
                        .optSettings(method.moments())
                        .build()
                        .calibrate();
        System.out.printf("calibrated on %,d tokens%n", calibration.tokens());
        return Converter.builder()
                .setSource(checkpoint.folder())
                .setTarget(target)
                .setMethod(method)
                .optCalibration(calibration)
                .optText(CalibrationWindows.of(text, MEASURED_TOKENS)) // for the errors of whole layers in the report
                .build()
                .convert();
    }

    private static void print(ConversionReport report) {
        System.out.printf(
                "parameters: %,d before, %,d after%n",
                CostModel.model(report.before()).parameters(),
                CostModel.model(report.after()).parameters());
        for (LayerConversion layer : report.layers()) {
            StringBuilder line = new StringBuilder("layer " + layer.layer() + ": relative error of the output ");
            line.append(String.format("%.3f", layer.outputError().orElseThrow()));
            layer.errors().forEach((operator, error) -> line.append(operator(operator.name(), error)));
            System.out.println(line);
        }
    }

    private static String operator(String name, OperatorError error) {
        return String.format(", %s %.3f (latent size %d)", name, error.relativeError(), error.latentSize());
    }

    /** Trains the factors, and puts the healed model in the place of the converted one. */
    private static Healing.Result heal(
            NDManager manager, CausalLm teacher, PackedWindows train, PackedWindows held, Path folder, int steps)
            throws IOException {
        try (Checkpoint converted = Checkpoint.open(folder)) {
            CausalLm model = converted.load(manager, Precision.FLOAT32);
            Healing.Result result = Healing.builder()
                    .setData(train)
                    .setSteps(steps)
                    .optBatchSize(BATCH)
                    .optValidation(held)
                    .optTeacher(teacher, new DistillationLoss(1, 0.5))
                    .build()
                    .heal(model);
            CheckpointSaver.of(model).optOriginal(converted).save(folder);
            return result;
        }
    }
}
