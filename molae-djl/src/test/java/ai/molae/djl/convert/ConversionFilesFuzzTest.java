package ai.molae.djl.convert;

import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.Calibrator;
import ai.molae.djl.convert.calibrate.InnerMoments;
import ai.molae.djl.convert.calibrate.MomentSettings;
import ai.molae.djl.convert.report.ConversionFiles;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.json.SpecJson;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.testing.ByteMutations;
import ai.molae.testing.Fuzz;
import ai.molae.testing.JsonMutations;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an interrupted conversion leaves, its report and calibrations, with something wrong: read, or refused. */
class ConversionFilesFuzzTest {

    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(8)
            .setIntermediateSize(4)
            .setNumExperts(4)
            .setTopK(2)
            .build();
    private static final LatentSpec LATENT =
            LatentSpec.builder().setLatentSize(3).setGroupSize(2).build();
    private static final LayerConversion LAYER = new LayerConversion(
            0,
            MOE,
            MOE.withLatent(LATENT),
            Map.of(
                    ExpertOperator.GATE, new OperatorError(3, 0.5, OptionalDouble.of(0.25)),
                    ExpertOperator.UP, new OperatorError(3, 0.5, OptionalDouble.empty()),
                    ExpertOperator.DOWN, new OperatorError(3, 0.5, OptionalDouble.of(0.25))),
            OptionalDouble.of(0.125),
            2.5);

    @TempDir
    private Path folder;

    private static void fuzz(String name, int cases, String text, Fuzz.Check check) {
        Fuzz.of(name, cases)
                .run(
                        random -> {
                            byte[] bytes = JsonMutations.mutate(text, random).getBytes(StandardCharsets.UTF_8);
                            return random.nextInt(5) == 0 ? ByteMutations.damage(bytes, random) : bytes;
                        },
                        check);
    }

    @Test
    void notesOfLayersAreReadOrRefused() {
        fuzz(
                "layer note",
                800,
                LayerNote.write(LAYER).strip(),
                bytes -> LayerNote.read(0, MOE, new String(bytes, StandardCharsets.UTF_8)));
    }

    @Test
    void plansAreReadOrRefused() {
        String plan = "{\"0\": " + SpecJson.toTree(LATENT) + ", \"2\": null}";
        fuzz("conversion plan", 800, plan, bytes -> ConversionPlan.read(new String(bytes, StandardCharsets.UTF_8)));
    }

    @Test
    void reportsAreReadOrRefused() {
        ConversionReport report = new ConversionReport(
                "a model",
                List.of("ranks: uniform"),
                SmallMoe.spec(MOE),
                SmallMoe.spec(MOE.withLatent(LATENT)),
                List.of(LAYER),
                Map.of("before", 2.0));
        String text = ConversionFiles.json(report);
        fuzz("conversion.json", 800, text, bytes -> {
            Files.write(folder.resolve("conversion.json"), bytes);
            ConversionFiles.html(ConversionFiles.read(folder));
        });
    }

    @Test
    void calibrationsAreReadOrRefused() throws IOException {
        Path target = folder.resolve("calibration");
        try (Checkpoint checkpoint = Checkpoint.open(Path.of(golden()))) {
            Calibrator.builder()
                    .setCheckpoint(checkpoint)
                    .setWindows(List.of(new int[] {1, 2, 3, 4}, new int[] {5, 6, 7, 8}))
                    .setTarget(target)
                    .optSettings(new MomentSettings(false, InnerMoments.NONE))
                    .build()
                    .calibrate();
        }
        Path file = target.resolve("calibration.json");
        fuzz("calibration.json", 400, Files.readString(file), bytes -> {
            Files.write(file, bytes);
            Calibration calibration = Calibration.open(target);
            for (int layer : calibration.layers()) {
                calibration.layer(layer).statistics();
            }
        });
    }

    private static String golden() {
        return Checkpoint.class.getResource("olmoe-a").getPath();
    }
}
