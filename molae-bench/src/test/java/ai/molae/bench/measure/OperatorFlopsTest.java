package ai.molae.bench.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import ai.molae.bench.contender.Contender;
import ai.molae.bench.contender.Implementation;
import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.CostModel;
import ai.molae.cost.LayerCost;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.GemmKernel;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonParser;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What libtorch's operators take, against the cost model with the groups that the tokens really visit. */
class OperatorFlopsTest {

    /** Fewer than 32, of which no kernel's rows are filled up. */
    private static final int TOKENS = 17;

    private static final double ROUNDING_PERCENT = 1e-4;

    private static LayerCase layer(Variant variant) {
        return new LayerCase(Shape.QWEN3_30B_A3B, Scale.TINY, variant, ExpertLoad.BALANCED, TOKENS);
    }

    /** Expert i reads coordinate i: a token's experts are its K largest coordinates below N. */
    private static double distinctGroups(LayerCase layer) {
        MoeSpec spec = layer.spec();
        if (spec.latent().isEmpty()) {
            return 0;
        }
        float[] x = layer.input(0);
        double sum = 0;
        for (int t = 0; t < TOKENS; t++) {
            int row = t * spec.hiddenSize();
            Set<Integer> groups = new HashSet<>();
            IntStream.range(0, spec.numExperts())
                    .boxed()
                    .sorted(Comparator.comparingDouble(expert -> -x[row + expert]))
                    .limit(spec.topK())
                    .forEach(expert -> groups.add(spec.expertGroups().groupOf(expert)));
            sum += groups.size();
        }
        return sum / TOKENS;
    }

    @ParameterizedTest
    @CsvSource({
        "MOE, FLOAT32",
        "MOE, BFLOAT16",
        "MOE, INT8",
        "MOLAE, FLOAT32",
        "MOLAE, INT8",
        "MOLAE_QUARTER, FLOAT32",
        "MOLAE_QUARTER, BFLOAT16",
        "MOLAE_QUARTER, INT8",
        "MOLAE_TIED, BFLOAT16",
        "MOLAE_QUARTER_TIED, INT8",
    })
    void inferenceTakesWhatTheCostModelSays(Variant variant, Precision precision) {
        LayerCase layer = layer(variant);
        LayerCost cost = CostModel.layer(layer.spec());
        try (Contender contender = Implementation.MOLAE.open(layer, precision)) {
            assertThat(OperatorFlops.count(() -> contender.forward(0)).orElseThrow())
                    .isCloseTo(TOKENS * cost.forwardFlops(distinctGroups(layer)), withinPercentage(ROUNDING_PERCENT));
        }
    }

    /** Gradients of weights and of the input take as much as the forward pass each. */
    @ParameterizedTest
    @EnumSource(
            value = Variant.class,
            names = {"MOE", "MOLAE", "MOLAE_TIED"})
    void trainingTakesThreeTimesTheForwardPass(Variant variant) {
        double forward = TOKENS * CostModel.layer(layer(variant).spec()).forwardFlops();

        assertThat(training(layer(variant), true)).isCloseTo(3 * forward, withinPercentage(ROUNDING_PERCENT));
    }

    private static double training(LayerCase layer, boolean inputGradient) {
        MoeSpec spec = layer.spec();
        try (NDManager manager = NDManager.newBaseManager()) {
            MoeBlock block = new MoeBlock(spec);
            block.initialize(manager, DataType.FLOAT32, new ai.djl.ndarray.types.Shape(TOKENS, spec.hiddenSize()));
            for (Pair<String, ai.djl.nn.Parameter> parameter : block.getParameters()) {
                parameter.getValue().getArray().setRequiresGradient(true);
            }
            NDArray x = manager.randomNormal(new ai.djl.ndarray.types.Shape(TOKENS, spec.hiddenSize()));
            x.setRequiresGradient(inputGradient);
            return OperatorFlops.count(() -> {
                        try (GradientTape tape = new GradientTape()) {
                            tape.backward(block.forward(new ParameterStore(manager, false), new NDList(x), true)
                                    .get(0)
                                    .sum());
                        }
                    })
                    .orElseThrow();
        }
    }

    @Test
    void anInputWithoutGradientSavesNothing() {
        LayerCase layer = layer(Variant.MOE);

        assertThat(training(layer, false)).isEqualTo(training(layer, true));
    }

    @Test
    void onlyTheInnermostOperatorCounts() {
        assertThat(
                        sum(
                                """
                {"name": "aten::linear", "ts": 0, "dur": 9, "shape": [[5, 3], [2, 3]]},
                {"name": "aten::matmul", "ts": 1, "dur": 7, "shape": [[5, 3], [3, 2]]},
                {"name": "aten::mm", "ts": 2, "dur": 5, "shape": [[5, 3], [3, 2]]},
                {"name": "aten::silu", "ts": 8, "dur": 1, "shape": [[5, 2]]}"""))
                .hasValue(2 * 5 * 3 * 2);
    }

    @Test
    void anInterpretersStackStandsBeforeTheArguments() {
        assertThat(
                        sum(
                                """
                {"name": "mkldnn::_linear_pointwise", "ts": 2, "dur": 5,
                 "shape": [[7, 7], [], [5, 3], [4, 3], [], [], [], []]}"""))
                .hasValue(2 * 5 * 3 * 4);
    }

    @Test
    void aShapeThatNobodyTellsIsNotGuessed() {
        Gemm.use(Optional.of(GemmKernel.FBGEMM));
        try (Contender packed = Implementation.MOLAE.open(layer(Variant.MOE), Precision.FLOAT16)) {
            assertThat(OperatorFlops.count(() -> packed.forward(0))).isEmpty();
        } finally {
            Gemm.use(Optional.empty());
        }
    }

    @Test
    void aTrialThatRunsElsewhereHasNoCount() {
        assertThat(OperatorFlops.count(() -> {})).isEmpty();
    }

    @Test
    void aProductOfAnUnknownKindIsRefused() {
        assertThatThrownBy(
                        () -> sum("{\"name\": \"aten::_new_grouped_mm\", \"ts\": 2, \"dur\": 5, \"shape\": [[5, 3]]}"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("aten::_new_grouped_mm on [[5, 3]] are not known");
    }

    private static OptionalDouble sum(String events) {
        return OperatorFlops.sum(JsonParser.parseString("[" + events + "]").getAsJsonArray());
    }
}
