package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.cost.CostModel;
import ai.molae.cost.StepTrait;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.CausalLmLoss;
import ai.molae.djl.lm.LoraSpec;
import ai.molae.djl.lm.LoraTarget;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.DenseSpec;
import ai.molae.spec.FeedForwardSpec;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryEstimateTest {

    private static final MoeSpec MOE = MoeSpec.builder()
            .setHiddenSize(256)
            .setIntermediateSize(256)
            .setNumExperts(8)
            .setTopK(2)
            .build();

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    private static ModelSpec spec(int vocabSize, int layers, FeedForwardSpec feedForward) {
        return ModelSpec.builder()
                .setVocabSize(vocabSize)
                .setAttention(GroupedQueryAttentionSpec.of(8, 2, 32))
                .addLayers(layers, feedForward)
                .optMaxPositionEmbeddings(512)
                .build();
    }

    private static CausalLm model(NDManager manager, ModelSpec spec, Precision precision) {
        CausalLm model =
                CausalLm.builder().setSpec(spec).optPrecision(precision).build();
        model.initialize(manager, DataType.FLOAT32, new Shape(1, 1));
        return model;
    }

    /** Native bytes at the peak of two passes, above those before the model was made. */
    private static long measured(ModelSpec spec, Precision precision, int batch, int sequence, int recompute) {
        try (NativeMemory.Peak peak = NativeMemory.watchPeak();
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            CausalLm model = model(manager, spec, precision);
            model.setRecompute(recompute);
            for (int pass = 0; pass < 2; pass++) {
                try (NDManager scope = manager.newSubManager();
                        GradientTape tape = new GradientTape()) {
                    NDArray tokens =
                            scope.randomInteger(0, spec.vocabSize(), new Shape(batch, sequence), DataType.INT64);
                    NDList outputs = model.forward(new ParameterStore(scope, false), new NDList(tokens), true);
                    tape.backward(new CausalLmLoss().evaluate(new NDList(tokens), outputs));
                }
            }
            return peak.bytes().orElseThrow() - peak.startBytes().orElseThrow();
        }
    }

    @ParameterizedTest
    @CsvSource({
        // activations, activations recomputed, logits, parameters
        "FLOAT32,  64,    4, 4, 512, 0",
        "FLOAT32,  64,    4, 4, 512, 1",
        "BFLOAT16, 64,    4, 4, 512, 0",
        "BFLOAT16, 16000, 1, 2, 512, 0",
        "FLOAT32,  32000, 1, 1, 64,  1",
    })
    void isCloseToThePeakOfRealPasses(
            Precision precision, int vocabSize, int layers, int batch, int sequence, int recompute) {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        ModelSpec spec = spec(vocabSize, layers, MOE);
        measured(spec(64, 1, MOE), precision, batch, sequence, recompute);
        MemoryEstimate estimate = MemoryEstimate.of(spec, precision, 1, batch, sequence, recompute, 0);

        long peak = measured(spec, precision, batch, sequence, recompute);

        // The JVM takes some ten MB for its compiler meanwhile.
        assertThat(peak).as("%s", estimate).isBetween((long) (0.7 * estimate.needed()), (long)
                (1.25 * estimate.needed() + 40e6));
    }

    @Test
    void countsWhatTrainsAndWhatTheOptimizerKeepsOfIt() {
        ModelSpec spec = spec(64, 2, MOE);
        long parameters = CostModel.model(spec).parameters();
        MemoryEstimate estimate = MemoryEstimate.of(spec, Precision.FLOAT32, 0.5, 4, 64, 0, 8);

        assertThat(estimate.bytes().weights()).isEqualTo(4.0 * parameters);
        assertThat(estimate.bytes().gradients()).isCloseTo(2.0 * parameters, within(4.0));
        assertThat(estimate.bytes().optimizer()).isCloseTo(4.0 * parameters, within(8.0));
        assertThat(estimate.needed()).isEqualTo(estimate.bytes().total());
    }

    @Test
    void readsOffAModelWhatItIsLike() {
        CausalLm model = model(manager, spec(64, 2, MOE), Precision.BFLOAT16);
        model.setRecompute(2);
        MemoryEstimate whole = MemoryEstimate.of(model, 4, 64, 8);
        model.addLora(new LoraSpec(2, 4, Set.of(LoraTarget.EXPERTS)));
        MemoryEstimate lora = MemoryEstimate.of(model, 4, 64, 8);

        assertThat(whole.settings().layersPerSegment()).isEqualTo(2);
        assertThat(whole.needed())
                .as("weights are there")
                .isEqualTo(whole.bytes().total() - whole.bytes().weights());
        assertThat(whole.settings().trainableParameters())
                .isEqualTo(CostModel.model(model.spec()).trainableParameters());
        assertThat(lora.settings().traits()).contains(StepTrait.EXPERTS_BY_AUTOGRAD);
        assertThat(lora.bytes().gradients()).isLessThan(whole.bytes().gradients() / 5);
        assertThat(lora.bytes().activations()).isGreaterThan(whole.bytes().activations());
        assertThat(whole.withPadding().bytes().activations())
                .isGreaterThan(whole.bytes().activations());
    }

    @Test
    void recomputationKeepsLess() {
        ModelSpec spec = spec(64, 8, DenseSpec.swiglu(256, 512));
        double all = MemoryEstimate.of(spec, Precision.FLOAT32, 1, 4, 64, 0, 8)
                .bytes()
                .activations();
        double each = MemoryEstimate.of(spec, Precision.FLOAT32, 1, 4, 64, 1, 8)
                .bytes()
                .activations();
        double four = MemoryEstimate.of(spec, Precision.FLOAT32, 1, 4, 64, 4, 8)
                .bytes()
                .activations();

        assertThat(each).isLessThan(all / 4);
        assertThat(four).isBetween(each, all * 0.7);
    }

    @Test
    void refusesWhatCannotFitAndSaysWhatWould() {
        MemoryEstimate estimate = MemoryEstimate.of(spec(1000, 8, MOE), Precision.FLOAT32, 1, 8, 512, 0, 8);
        long half = (long) (estimate.needed() / 2);

        assertThatCode(() -> estimate.check((long) estimate.needed() + 1)).doesNotThrowAnyException();
        assertThatThrownBy(() -> estimate.check(half))
                .isInstanceOf(NotEnoughMemoryException.class)
                .hasMessageContaining("batch 8 and sequence 512")
                .hasMessageContaining("gradients ")
                .hasMessageContaining("logits ")
                .hasMessageContaining("batch 4, and twice the gradient accumulation")
                .hasMessageContaining("setRecompute(1)")
                .hasMessageContaining("bfloat16")
                .hasMessageContaining("2 bytes of state per parameter in the place of 8.0")
                .hasMessageMatching("(?s).*all of these: [^\n]*which fits.*");
    }

    @Test
    void knowsWhatThisMachineHas() {
        assertThat(MemoryEstimate.available(Device.cpu()).orElseThrow()).isPositive();
    }

    @Test
    void refusesWrongNumbers() {
        ModelSpec spec = spec(64, 1, MOE);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MemoryEstimate.of(spec, Precision.FLOAT32, 1.5, 1, 8, 0, 8))
                .withMessageContaining("1.5");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MemoryEstimate.of(spec, Precision.INT8, 1, 1, 8, 0, 8))
                .withMessageContaining("INT8");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MemoryEstimate.of(spec, Precision.FLOAT32, 1, 0, 8, 0, 8))
                .withMessageContaining("batch");
    }
}
