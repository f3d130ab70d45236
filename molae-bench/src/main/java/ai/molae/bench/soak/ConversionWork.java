package ai.molae.bench.soak;

import ai.molae.djl.convert.ConversionMethod;
import ai.molae.djl.convert.Converter;
import ai.molae.djl.convert.calibrate.Calibrator;
import ai.molae.djl.convert.calibrate.InnerMoments;
import ai.molae.djl.convert.calibrate.MomentSettings;
import ai.molae.djl.files.Folders;
import ai.molae.djl.hf.Checkpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** A MoE checkpoint that becomes a MoLAE, with a text and without, and is loaded. */
final class ConversionWork {

    private static final double RATIO = 0.7;

    private ConversionWork() {}

    /** Converts the weights by themselves. */
    static Work dataFree(Path source, Path target) {
        return seed -> converted(
                Converter.builder().setSource(source).setTarget(target).setMethod(ConversionMethod.dataFree(RATIO)),
                target,
                seed);
    }

    /** Collects moments of a text in a folder beside the target and converts with them. */
    static Work calibrated(Path source, Path target) {
        Path moments = target.resolveSibling(target.getFileName() + "-moments");
        return seed -> {
            Converter.Builder converter = Converter.builder()
                    .setSource(source)
                    .setTarget(target)
                    .setMethod(ConversionMethod.calibrated(RATIO));
            try (Checkpoint checkpoint = Checkpoint.open(source)) {
                converter.optCalibration(Calibrator.builder()
                        .setCheckpoint(checkpoint)
                        .setWindows(List.of(
                                SmallModels.tokens(SmallModels.SEQUENCE, seed),
                                SmallModels.tokens(SmallModels.SEQUENCE, seed + 1)))
                        .setTarget(moments)
                        .optSettings(new MomentSettings(false, InnerMoments.DIAGONAL))
                        .build()
                        .calibrate());
            }
            String result = converted(converter, target, seed);
            Folders.delete(moments);
            return result;
        };
    }

    private static String converted(Converter.Builder converter, Path target, long seed)
            throws IOException, InterruptedException {
        converter.build().convert();
        String text =
                InferenceWork.generation(target, InferenceWork.Loading.FLOAT32).run(seed);
        Folders.delete(target);
        return text;
    }
}
