package ai.molae.djl.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.convert.calibrate.MomentSettings;
import ai.molae.djl.hf.CheckpointDraft;
import ai.molae.djl.safetensors.TensorType;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A conversion that was interrupted is gone on with, and its files are those of an undisturbed one. */
class InterruptedConversionTest {

    /** Reads of the two MoE layers: three matrices of eight experts, twice. */
    private static final int READS_OF_A_LAYER = 48;

    @TempDir
    private Path folder;

    private Path source;
    private Path target;

    @BeforeEach
    void save() throws IOException {
        source = SmallMoe.save(folder.resolve("moe"), 1);
        Files.writeString(source.resolve("tokenizer.json"), "{}");
        target = folder.resolve("molae");
    }

    /** What a conversion does besides the closed form. */
    enum Kind {
        PLAIN,
        TEXT_IN_BFLOAT16,
        DISTILLED,
        MULTIPLIED_OUT,
        BUDGET
    }

    private Converter.Builder converter(Kind kind, Path to) {
        ConversionMethod.Builder method = SmallMoe.method(
                kind == Kind.BUDGET ? new RankPolicy.Budget(RankPolicy.Unit.PARAMETERS, 0.6) : SmallMoe.rank(6), 4);
        if (kind == Kind.DISTILLED) {
            method.optDistillation(new DistillationSpec(4, 16, 0.01));
        }
        Converter.Builder converter = SmallMoe.converter(source, to, method.build());
        if (kind != Kind.PLAIN && kind != Kind.BUDGET) {
            converter.optText(SmallMoe.windows(4, 16, 2));
        }
        if (kind == Kind.MULTIPLIED_OUT) {
            converter.optMultipliedOut();
        }
        return converter.optType(kind == Kind.PLAIN ? TensorType.F32 : TensorType.BF16);
    }

    private Map<String, String> undisturbed(Kind kind) throws IOException {
        Path whole = folder.resolve("undisturbed");
        converter(kind, whole).build().convert();
        return SmallMoe.bytes(whole);
    }

    /** Stops a conversion from another thread when a stage has done so much. */
    private static void stopAt(Converter.Builder builder, String stage, int done) {
        AtomicReference<Converter> converter = new AtomicReference<>();
        converter.set(builder.optProgress(progress -> {
                    if (progress.stage().equals(stage) && progress.done() >= done) {
                        Thread other = new Thread(converter.get()::stop);
                        other.start();
                        try {
                            other.join();
                        } catch (InterruptedException e) {
                            throw new IllegalStateException(e);
                        }
                    }
                })
                .build());
        assertThatThrownBy(() -> converter.get().convert())
                .isInstanceOf(CancellationException.class)
                .hasMessageContaining("the same conversion goes on from there");
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void whereverItIsStoppedTheResultIsTheSame(Kind kind) throws IOException {
        if (kind == Kind.BUDGET) {
            stopAt(converter(kind, target), "spectra", 7);
        }
        stopAt(converter(kind, target), "layers", 5);
        stopAt(converter(kind, target), "layers", READS_OF_A_LAYER + 3);
        assertThat(CheckpointDraft.folderOf(target).resolve("layer-0/notes.txt"))
                .as("the first layer is finished")
                .exists();
        stopAt(converter(kind, target), "copying", 1);
        assertThat(target).doesNotExist();

        ConversionReport report = converter(kind, target).build().convert();

        assertThat(report.layers()).extracting(LayerConversion::layer).containsExactly(0, 2);
        assertThat(SmallMoe.bytes(target)).isEqualTo(undisturbed(kind)).containsKey("tokenizer.json");
        assertThat(CheckpointDraft.folderOf(target)).doesNotExist();
    }

    @Test
    void theReportOfWhatWasFinishedBeforeIsKept() throws IOException {
        stopAt(converter(Kind.DISTILLED, target), "layers", READS_OF_A_LAYER + 3);
        ConversionReport resumed = converter(Kind.DISTILLED, target).build().convert();
        ConversionReport whole =
                converter(Kind.DISTILLED, folder.resolve("undisturbed")).build().convert();

        assertThat(resumed.after()).isEqualTo(whole.after());
        for (int i = 0; i < 2; i++) {
            LayerConversion layer = resumed.layers().get(i);
            assertThat(layer.errors()).isEqualTo(whole.layers().get(i).errors());
            assertThat(layer.outputError()).isEqualTo(whole.layers().get(i).outputError());
        }
    }

    @Test
    void aConversionOfOtherSettingsIsNotMixedWithIt() throws IOException {
        stopAt(converter(Kind.PLAIN, target), "layers", READS_OF_A_LAYER + 3);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> converter(Kind.PLAIN, target)
                        .setMethod(SmallMoe.method(SmallMoe.rank(7), 4).build())
                        .build()
                        .convert())
                .withMessageContainingAll(
                        CheckpointDraft.folderOf(target).toString(),
                        "\"ranks: Fixed[latentSizes={GATE=6, UP=6, DOWN=6}]\"",
                        "\"ranks: Fixed[latentSizes={GATE=7, UP=7, DOWN=7}]\"",
                        "remove that folder");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> converter(Kind.PLAIN, target)
                        .optType(TensorType.BF16)
                        .build()
                        .convert())
                .withMessageContainingAll("\"type: F32\"", "\"type: BF16\"");

        converter(Kind.PLAIN, target).build().convert();
        assertThat(SmallMoe.bytes(target)).isEqualTo(undisturbed(Kind.PLAIN));
    }

    @Test
    void aCalibrationOnOtherTextIsAnotherConversion() throws IOException {
        ConversionMethod method = SmallMoe.method(SmallMoe.rank(6), 4)
                .optWeighting(Weighting.FREQUENCY)
                .build();
        Calibration one =
                SmallMoe.calibrate(source, folder.resolve("one"), SmallMoe.windows(2, 8, 1), MomentSettings.LEAST);
        Calibration other =
                SmallMoe.calibrate(source, folder.resolve("other"), SmallMoe.windows(2, 8, 2), MomentSettings.LEAST);
        stopAt(SmallMoe.converter(source, target, method).optCalibration(one), "layers", READS_OF_A_LAYER + 3);

        assertThatIllegalArgumentException()
                .isThrownBy(() -> SmallMoe.converter(source, target, method)
                        .optCalibration(other)
                        .build()
                        .convert())
                .withMessageContaining("\"calibration: 16 tokens");

        SmallMoe.converter(source, target, method).optCalibration(one).build().convert();
        assertThat(target).exists();
    }

    @Test
    void whereNothingWasFinishedOtherSettingsTakeItsPlace() throws IOException {
        stopAt(converter(Kind.BUDGET, target), "spectra", 7);

        converter(Kind.PLAIN, target).build().convert();

        assertThat(SmallMoe.bytes(target)).isEqualTo(undisturbed(Kind.PLAIN));
    }

    @Test
    void anInterruptedConversionCanBeDiscarded() throws IOException {
        stopAt(converter(Kind.PLAIN, target), "layers", READS_OF_A_LAYER + 3);
        CheckpointDraft.discard(target);
        assertThat(CheckpointDraft.folderOf(target)).doesNotExist();

        converter(Kind.TEXT_IN_BFLOAT16, target).build().convert();
        assertThat(target).exists();
    }

    @Test
    void aSecondConverterIsToldOfTheFirst() throws IOException {
        List<Throwable> thrown = new ArrayList<>();
        converter(Kind.PLAIN, target)
                .optProgress(progress -> {
                    if (thrown.isEmpty()) {
                        try {
                            converter(Kind.PLAIN, target).build().convert();
                        } catch (IOException e) {
                            thrown.add(e);
                        }
                    }
                })
                .build()
                .convert();

        assertThat(thrown).singleElement().satisfies(e -> assertThat(e)
                .hasMessageContaining("another conversion writes into " + CheckpointDraft.folderOf(target)));
        assertThat(SmallMoe.bytes(target)).isEqualTo(undisturbed(Kind.PLAIN));
    }

    /** A folder stands where a file is to come, so that the last steps fail one after the other. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "model-00001-of-00003.safetensors",
                "model-00002-of-00003.safetensors",
                "model-00003-of-00003.safetensors",
                "model.safetensors.index.json",
                "tokenizer.json",
                "config.json"
            })
    void whateverFailsWhileItIsFinishedTheNextCallGoesOn(String file) throws IOException {
        Path obstacle = CheckpointDraft.folderOf(target).resolve("checkpoint").resolve(file);
        Converter.Builder failing = converter(Kind.PLAIN, target).optProgress(progress -> {
            if (progress.stage().equals("copying")) {
                obstacle.resolve("full").toFile().mkdirs();
            }
        });
        assertThatThrownBy(() -> failing.build().convert()).isInstanceOf(IOException.class);
        assertThat(target).doesNotExist();
        Files.delete(obstacle.resolve("full"));
        Files.delete(obstacle);

        AtomicInteger copied = new AtomicInteger();
        converter(Kind.PLAIN, target)
                .optProgress(progress -> copied.addAndGet(progress.stage().equals("copying") ? 1 : 0))
                .build()
                .convert();

        assertThat(copied).as("what was copied is not copied again").hasValue(0);
        assertThat(SmallMoe.bytes(target)).isEqualTo(undisturbed(Kind.PLAIN));
        assertThat(CheckpointDraft.folderOf(target)).doesNotExist();
    }

    /** Killed when the target had its name already, but the folder beside it was not removed, or only in part. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whatAKillAfterTheEndHasLeftIsInNobodysWay(boolean inPart) throws IOException {
        Path draft = CheckpointDraft.folderOf(target);
        Path obstacle = target.resolve("full");
        Converter.Builder failing = converter(Kind.PLAIN, target).optProgress(progress -> {
            if (progress.stage().equals("copying")) {
                obstacle.toFile().mkdirs();
            }
        });
        assertThatThrownBy(() -> failing.build().convert()).isInstanceOf(IOException.class);
        Files.delete(obstacle);
        Files.delete(target);
        Files.move(draft.resolve("checkpoint"), target);
        if (inPart) {
            Files.delete(draft.resolve("settings.txt"));
            Files.delete(draft.resolve("rest/notes.txt"));
            Files.delete(draft.resolve("rest"));
        }
        assertThat(draft.resolve("layer-2/notes.txt")).exists();

        Map<String, String> undisturbed = undisturbed(Kind.PLAIN);
        assertThat(SmallMoe.bytes(target)).isEqualTo(undisturbed);
        assertThatThrownBy(() -> converter(Kind.PLAIN, target).build().convert())
                .isInstanceOf(FileAlreadyExistsException.class);

        CheckpointDraft.discard(folder.resolve("elsewhere"));
        Files.move(target, folder.resolve("moved"));
        converter(Kind.PLAIN, target).build().convert();
        assertThat(SmallMoe.bytes(target)).isEqualTo(undisturbed);
        assertThat(draft).doesNotExist();
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void progressRisesToItsTotalAndNoFurther(Kind kind) throws IOException {
        List<Converter.Progress> told = new ArrayList<>();
        converter(kind, target).optProgress(told::add).build().convert();

        for (String stage :
                kind == Kind.BUDGET ? List.of("spectra", "layers", "copying") : List.of("layers", "copying")) {
            List<Converter.Progress> steps =
                    told.stream().filter(p -> p.stage().equals(stage)).toList();
            assertThat(steps).extracting(Converter.Progress::done).isSorted().doesNotHaveDuplicates();
            assertThat(steps.get(steps.size() - 1).done())
                    .as(stage)
                    .isEqualTo(steps.get(0).total());
        }
    }

    @Test
    void whatIsReadOnceMoreForPapersAndRefinementIsNotCounted() throws IOException {
        List<Converter.Progress> told = new ArrayList<>();
        ConversionMethod paper = ConversionMethod.paper(0.8);
        SmallMoe.converter(source, target, paper).optProgress(told::add).build().convert();
        ConversionMethod refined =
                SmallMoe.method(SmallMoe.rank(6), 4).optRefinementSteps(3).build();
        SmallMoe.converter(source, folder.resolve("refined"), refined)
                .optProgress(told::add)
                .build()
                .convert();

        assertThat(told).allMatch(progress -> progress.done() <= progress.total());
    }
}
