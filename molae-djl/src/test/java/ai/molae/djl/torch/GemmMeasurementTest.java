package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.djl.torch.Gemm.Purpose;
import ai.molae.djl.torch.Gemm.Question;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Measures here and now; which kernel wins is this machine's affair. */
class GemmMeasurementTest {

    private static final Question INT8 = new Question(Purpose.INFERENCE, Precision.INT8);

    private boolean gradientsBefore;
    private String folderBefore;

    @TempDir
    private Path folder;

    @BeforeEach
    void remember() {
        assertThat(Engine.getInstance()).isNotNull();
        gradientsBefore = JniUtils.isGradMode();
        folderBefore = System.getProperty(GemmCache.FOLDER_PROPERTY);
        System.setProperty(GemmCache.FOLDER_PROPERTY, folder.toString());
    }

    @AfterEach
    void restore() {
        JniUtils.setGradMode(gradientsBefore);
        if (folderBefore == null) {
            System.clearProperty(GemmCache.FOLDER_PROPERTY);
        } else {
            System.setProperty(GemmCache.FOLDER_PROPERTY, folderBefore);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "TRAINING, FLOAT32, true",
        "TRAINING, FLOAT32, false",
        "INFERENCE, FLOAT32, true",
        "INFERENCE, BFLOAT16, false",
        "INFERENCE, FLOAT16, true",
        "INFERENCE, INT8, false"
    })
    void findsAPossibleCodeAndRestoresTheGradientMode(Purpose purpose, Precision precision, boolean gradients) {
        Question question = new Question(purpose, precision);
        JniUtils.setGradMode(gradients);
        long code = GemmMeasurement.measure(question);
        assertThat(JniUtils.isGradMode()).isEqualTo(gradients);
        GemmCache cache = GemmCache.ofThisMachine();
        cache.put(question, code);
        assertThat(cache.get(question)).hasValue(code);
    }

    @Test
    void keepsWhatItFound() {
        long code = GemmMeasurement.choose(INT8);
        assertThat(GemmCache.ofThisMachine().file()).hasParent(folder);
        assertThat(GemmCache.ofThisMachine().get(INT8)).hasValue(code);
    }

    @Test
    void anEarlierMeasurementDecides() {
        for (GemmKernel kernel : Gemm.candidates(INT8)) {
            long code = Gemm.code(INT8, kernel);
            GemmCache.ofThisMachine().put(INT8, code);
            assertThat(GemmMeasurement.choose(INT8)).isEqualTo(code);
        }
    }
}
