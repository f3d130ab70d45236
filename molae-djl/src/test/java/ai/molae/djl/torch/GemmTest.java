package ai.molae.djl.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.djl.Device;
import ai.molae.djl.torch.Gemm.Purpose;
import ai.molae.djl.torch.Gemm.Question;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which kernel {@link Gemm} takes; codes are spelled out, as {@code common.py} reads them: element type and kernel · 16. */
class GemmTest {

    private static final Device CPU = Device.cpu();
    /** A value only: nothing is put there. */
    private static final Device GPU = Device.gpu();

    private static final int FLOAT32 = 6;
    private static final int BFLOAT16 = 15;

    @AfterEach
    void measureAgain() {
        Gemm.use(Optional.empty());
    }

    @Test
    void aWrongPropertyIsRefusedAtEveryUse() {
        System.setProperty(Gemm.KERNEL_PROPERTY, "cublas");
        try {
            for (int i = 0; i < 2; i++) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> Gemm.training(Precision.FLOAT32, CPU))
                        .withMessageContainingAll("molae.gemm", "MATMUL", "cublas");
            }
        } finally {
            System.clearProperty(Gemm.KERNEL_PROPERTY);
        }
    }

    @Test
    void candidatesDependOnPurposeAndPrecision() {
        assertThat(Gemm.candidates(new Question(Purpose.TRAINING, Precision.FLOAT32)))
                .containsExactly(GemmKernel.MATMUL, GemmKernel.ONEDNN);
        assertThat(Gemm.candidates(new Question(Purpose.TRAINING, Precision.BFLOAT16)))
                .containsExactly(GemmKernel.MATMUL);
        for (Precision precision : new Precision[] {Precision.FLOAT32, Precision.BFLOAT16}) {
            assertThat(Gemm.candidates(new Question(Purpose.INFERENCE, precision)))
                    .containsExactly(GemmKernel.MATMUL, GemmKernel.ONEDNN);
        }
        for (Precision precision : new Precision[] {Precision.FLOAT16, Precision.INT8}) {
            assertThat(Gemm.candidates(new Question(Purpose.INFERENCE, precision)))
                    .containsExactly(GemmKernel.MATMUL, GemmKernel.FBGEMM);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"FLOAT16", "INT8"})
    void trainingRefusesAPrecisionForInference(Precision precision) {
        for (Device device : new Device[] {CPU, GPU}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Gemm.training(precision, device))
                    .withMessageContainingAll(precision.name(), "FLOAT32", "BFLOAT16");
        }
    }

    @Test
    void matmulTakesThePlaceOfTheMeasurementEverywhere() {
        Gemm.use(Optional.of(GemmKernel.MATMUL));
        assertThat(Gemm.training(Precision.FLOAT32, CPU)).isEqualTo(FLOAT32);
        assertThat(Gemm.training(Precision.BFLOAT16, CPU)).isEqualTo(BFLOAT16);
        assertThat(Gemm.inference(Precision.FLOAT32, CPU)).isEqualTo(FLOAT32);
        assertThat(Gemm.inference(Precision.BFLOAT16, CPU)).isEqualTo(BFLOAT16);
        assertThat(Gemm.inference(Precision.FLOAT16, CPU)).isEqualTo(FLOAT32);
        assertThat(Gemm.inference(Precision.INT8, CPU)).isEqualTo(FLOAT32 + 16 * 5);
    }

    @Test
    void oneDnnTakesThePlaceOfTheMeasurementWhereItIsACandidate() {
        long float16 = Gemm.inference(Precision.FLOAT16, CPU);
        long int8 = Gemm.inference(Precision.INT8, CPU);
        Gemm.use(Optional.of(GemmKernel.ONEDNN));
        // in all five classes of rows, recorded by autograd or not, at any size
        assertThat(Gemm.training(Precision.FLOAT32, CPU)).isEqualTo(FLOAT32 + 16 + 256 * 31 + 65536 * 31 + (1 << 24));
        assertThat(Gemm.training(Precision.BFLOAT16, CPU)).isEqualTo(BFLOAT16);
        assertThat(Gemm.inference(Precision.FLOAT32, CPU)).isEqualTo(FLOAT32 + 16 * 2);
        assertThat(Gemm.inference(Precision.BFLOAT16, CPU)).isEqualTo(BFLOAT16 + 16 * 2);
        assertThat(Gemm.inference(Precision.FLOAT16, CPU)).isEqualTo(float16);
        assertThat(Gemm.inference(Precision.INT8, CPU)).isEqualTo(int8);
    }

    @Test
    void fbgemmTakesThePlaceOfTheMeasurementWhereItIsACandidate() {
        long training = Gemm.training(Precision.FLOAT32, CPU);
        long float32 = Gemm.inference(Precision.FLOAT32, CPU);
        long bfloat16 = Gemm.inference(Precision.BFLOAT16, CPU);
        Gemm.use(Optional.of(GemmKernel.FBGEMM));
        assertThat(Gemm.training(Precision.FLOAT32, CPU)).isEqualTo(training);
        assertThat(Gemm.training(Precision.BFLOAT16, CPU)).isEqualTo(BFLOAT16);
        assertThat(Gemm.inference(Precision.FLOAT32, CPU)).isEqualTo(float32);
        assertThat(Gemm.inference(Precision.BFLOAT16, CPU)).isEqualTo(bfloat16);
        assertThat(Gemm.inference(Precision.FLOAT16, CPU)).isEqualTo(FLOAT32 + 16 * 3);
        assertThat(Gemm.inference(Precision.INT8, CPU)).isEqualTo(FLOAT32 + 16 * 4);
    }

    @Test
    void kernelsHaveNamesForPeople() {
        Gemm.use(Optional.of(GemmKernel.MATMUL));
        assertThat(Gemm.inferenceKernel(Precision.INT8, Device.cpu())).isEqualTo(GemmKernel.MATMUL);
        assertThat(Gemm.trainingKernels(Precision.FLOAT32, Device.cpu())).containsExactly(GemmKernel.MATMUL);
        Gemm.use(Optional.of(GemmKernel.ONEDNN));
        assertThat(Gemm.inferenceKernel(Precision.BFLOAT16, Device.cpu())).isEqualTo(GemmKernel.ONEDNN);
        assertThat(Gemm.trainingKernels(Precision.FLOAT32, Device.cpu())).containsExactly(GemmKernel.ONEDNN);
        assertThat(Gemm.trainingKernels(Precision.BFLOAT16, Device.cpu())).containsExactly(GemmKernel.MATMUL);
    }

    @Test
    void emptyGoesBackToTheChoiceMadeBefore() {
        long chosen = Gemm.training(Precision.FLOAT32, CPU);
        Gemm.use(Optional.of(GemmKernel.ONEDNN));
        Gemm.use(Optional.empty());
        assertThat(Gemm.training(Precision.FLOAT32, CPU)).isEqualTo(chosen);
    }

    @ParameterizedTest
    @NullSource
    @EnumSource(GemmKernel.class)
    void aGpuAlwaysMultipliesByMatmul(GemmKernel given) {
        Gemm.use(Optional.ofNullable(given));
        assertThat(Gemm.training(Precision.FLOAT32, GPU)).isEqualTo(FLOAT32);
        assertThat(Gemm.training(Precision.BFLOAT16, GPU)).isEqualTo(BFLOAT16);
        assertThat(Gemm.inference(Precision.FLOAT32, GPU)).isEqualTo(FLOAT32);
        assertThat(Gemm.inference(Precision.BFLOAT16, GPU)).isEqualTo(BFLOAT16);
        assertThat(Gemm.inference(Precision.FLOAT16, GPU))
                .as("float16 activations, which a GPU can multiply")
                .isEqualTo(5);
        assertThat(Gemm.inference(Precision.INT8, GPU)).isEqualTo(FLOAT32 + 16 * 5);
    }

    @ParameterizedTest
    @ValueSource(strings = {"onednn", "ONEDNN", "OneDNN", " onednn "})
    void thePropertyNamesAKernelInAnyCase(String value) {
        assertThat(Gemm.fromProperty(value)).contains(GemmKernel.ONEDNN);
    }

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = {"", "  "})
    void withoutAPropertyNothingIsGiven(String value) {
        assertThat(Gemm.fromProperty(value)).isEmpty();
    }

    @Test
    void aWrongPropertyIsRefusedWithTheRightOnes() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Gemm.fromProperty("mkl"))
                .withMessageContainingAll("molae.gemm", "MATMUL", "ONEDNN", "FBGEMM", "mkl");
    }
}
