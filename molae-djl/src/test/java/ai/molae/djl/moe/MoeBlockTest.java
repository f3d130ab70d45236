package ai.molae.djl.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** How a {@link MoeBlock} behaves; what it computes is {@link MoeBlockFuzzTest}'s. */
class MoeBlockTest {

    private static final int N = 8;

    /** A MoLAE layer with every part: groups, correction bias, both auxiliary losses, shared expert. */
    static final MoeSpec SPEC = MoeSpec.builder()
            .setHiddenSize(N)
            .setIntermediateSize(6)
            .setNumExperts(5)
            .setTopK(2)
            .optRouter(RouterSpec.builder()
                    .optScoreFunction(ScoreFunction.SIGMOID)
                    .optCorrectionBias(true)
                    .optAuxLossCoef(0.1)
                    .optZLossCoef(0.01)
                    .build())
            .optLatent(LatentSpec.builder().setLatentSize(4).setGroupSize(2).build())
            .optSharedExpert(new SharedExpertSpec(7, true))
            .build();

    private static final LayerCase LAYER = LayerCase.draw(SPEC, 33, new SplittableRandom(1), LayerCase.FLOAT32);

    private NDManager modelManager;
    private NDManager manager;
    private MoeBlock block;

    @BeforeEach
    void setUp() {
        modelManager = NDManager.newBaseManager();
        manager = NDManager.newBaseManager();
        block = LAYER.block(modelManager, MoeBlock.builder());
    }

    @AfterEach
    void tearDown() {
        manager.close();
        modelManager.close();
    }

    private NDList forward(MoeBlock layer, NDArray x, boolean training) {
        return layer.forward(new ParameterStore(manager, false), new NDList(x), training);
    }

    @Test
    void inferenceReturnsYAndTrainingAddsAuxAndLoad() {
        NDArray x = LAYER.x(manager);
        NDList inference = forward(block, x, false);
        NDList training = forward(block, x, true);
        assertThat(inference).hasSize(1);
        assertThat(inference.head().toFloatArray()).isEqualTo(training.head().toFloatArray());
        assertThat(training).hasSize(3);
        assertThat(training.getShapes()).containsExactly(new Shape(33, N), new Shape(), new Shape(5));
        assertThat(training.get(1).getDataType()).isEqualTo(DataType.FLOAT32);
        assertThat(training.get(2).getDataType()).isEqualTo(DataType.INT64);
        assertThat(block.getOutputShapes(new Shape[] {new Shape(4, 9, N)})).containsExactly(new Shape(4, 9, N));
    }

    @Test
    void withoutAuxOutputTrainingReturnsYAlone() {
        MoeBlock quiet = LAYER.block(modelManager, MoeBlock.builder().optAuxOutput(false));
        assertThat(forward(quiet, LAYER.x(manager), true)).hasSize(1);
    }

    @Test
    void leadingDimensionsAreTokens() {
        NDArray x = LAYER.x(manager);
        float[] flat = forward(block, x, false).head().toFloatArray();
        NDArray y = forward(block, x.reshape(3, 11, N), false).head();
        assertThat(y.getShape()).isEqualTo(new Shape(3, 11, N));
        assertThat(y.toFloatArray()).isEqualTo(flat);
        NDArray one = forward(block, x.get(0), false).head();
        assertThat(one.getShape()).isEqualTo(new Shape(N));
        assertThat(forward(block, manager.zeros(new Shape(2, 0, N)), false)
                        .head()
                        .getShape())
                .isEqualTo(new Shape(2, 0, N));
    }

    @Test
    void refusesInputsItCannotReadWithTheNumbers() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> forward(block, manager.zeros(new Shape(3, 7)), false))
                .withMessageContainingAll("hiddenSize = 8", "(3, 7)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> forward(block, manager.zeros(new Shape()), false))
                .withMessageContainingAll("hiddenSize = 8", "()");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> forward(block, manager.zeros(new Shape(3, 8), DataType.FLOAT64), false))
                .withMessageContainingAll("float32", "float64", "(3, 8)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new MoeBlock(SPEC).initialize(manager, DataType.FLOAT32, new Shape(2, 7)))
                .withMessageContainingAll("hiddenSize = 8", "(2, 7)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MoeBlock.builder().build())
                .withMessageContaining("setSpec");
    }

    @Test
    void initialisesEveryParameterWithTheShapeOfTheSpec() {
        MoeBlock fresh = new MoeBlock(SPEC);
        fresh.initialize(manager, DataType.FLOAT32, new Shape(2, N));
        SPEC.parameters().forEach(parameter -> {
            NDArray array = fresh.getDirectParameters().get(parameter.name()).getArray();
            assertThat(array.getShape())
                    .isEqualTo(new Shape(parameter.shape().stream()
                            .mapToLong(Integer::longValue)
                            .toArray()));
            boolean bias = parameter.name().equals("e_score_correction_bias");
            assertThat(array.neq(0).any().getBoolean()).as(parameter.name()).isEqualTo(!bias);
        });
        assertThat(fresh.getDirectParameters()).hasSize(SPEC.parameters().size());
    }

    @Test
    void everyExpertMatrixStartsWithTheInitializerRangeFactoredOrNot() {
        MoeSpec wide = MoeSpec.builder()
                .setHiddenSize(96)
                .setIntermediateSize(64)
                .setNumExperts(4)
                .setTopK(2)
                .optLatent(
                        LatentSpec.builder().setLatentSize(48).setGroupSize(4).build())
                .build();
        MoeBlock layer =
                MoeBlock.builder().setSpec(wide).optInitializerRange(0.05).build();
        layer.initialize(manager, DataType.FLOAT32, new Shape(2, 96));
        Map<String, NDArray> p = new java.util.HashMap<>();
        layer.getDirectParameters().forEach(e -> p.put(e.getKey(), e.getValue().getArray()));
        NDArray in = p.get("latent_in").get(0);
        NDArray gate = p.get("gate").get(1).matMul(in.get("0:48"));
        NDArray up = p.get("up").get(1).matMul(in.get("48:"));
        NDArray down = p.get("latent_out").get(0).matMul(p.get("down").get(1));
        for (NDArray w : List.of(gate, up, down)) {
            double std = Math.sqrt(w.square().mean().getFloat());
            assertThat(std).isBetween(0.045, 0.055);
        }
    }

    @Test
    void inferenceBuildsNoGraphAndRestoresTheGradientMode() throws Exception {
        List<Boolean> seen = onThread(() -> {
            boolean before = JniUtils.isGradMode();
            NDList outputs = forward(block, LAYER.x(manager), false);
            return List.of(before, hasGraph(outputs.head()), JniUtils.isGradMode());
        });
        assertThat(seen).as("grad mode before, graph, grad mode after").containsExactly(true, false, true);
        List<Boolean> training = onThread(
                () -> List.of(hasGraph(forward(block, LAYER.x(manager), true).head())));
        assertThat(training).as("training does build one").containsExactly(true);
    }

    @Test
    void inferenceRestoresTheGradientModeWhenItFails() throws Exception {
        assertThat(onThread(() -> {
                    assertThatIllegalArgumentException()
                            .isThrownBy(() -> forward(block, manager.zeros(new Shape(3, 7)), false));
                    return List.of(JniUtils.isGradMode());
                }))
                .containsExactly(true);
    }

    /** DJL's {@code hasGradient()} is true for leaves only. */
    private static boolean hasGraph(NDArray y) {
        try {
            JniUtils.backward((PtNDArray) y, (PtNDArray) y.onesLike(), false, false);
            return true;
        } catch (EngineException e) {
            assertThat(e).hasMessageContaining("does not require grad");
            return false;
        }
    }

    private static <T> T onThread(Callable<T> task) throws ExecutionException, InterruptedException {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try {
            return executor.submit(task).get();
        } finally {
            executor.shutdown();
        }
    }

    @Test
    void trainingAndInferenceMayAlternate() {
        float[] y = forward(block, LAYER.x(manager), false).head().toFloatArray();
        Map<String, double[]> first = LAYER.actual(manager, block);
        for (int i = 0; i < 4; i++) {
            try (NDManager step = NDManager.newBaseManager()) {
                assertThat(forward(block, LAYER.x(step), false).head().toFloatArray())
                        .isEqualTo(y);
                block.getDirectParameters()
                        .forEach(p -> zeroGradient(p.getValue().getArray()));
                Map<String, double[]> again = LAYER.actual(step, block);
                first.forEach(
                        (name, values) -> assertThat(again.get(name)).as(name).containsExactly(values));
            }
        }
    }

    private static void zeroGradient(NDArray parameter) {
        if (parameter.hasGradient()) {
            try (NDArray gradient = parameter.getGradient()) {
                gradient.muli(0);
            }
        }
    }

    @Test
    void threadsMayInferAtOnce() throws Exception {
        for (Precision precision : List.of(Precision.FLOAT32, Precision.BFLOAT16)) {
            MoeBlock layer = LAYER.block(modelManager, MoeBlock.builder().optPrecision(precision));
            float[] serial = forward(layer, LAYER.x(manager), false).head().toFloatArray();
            ExecutorService executor = Executors.newFixedThreadPool(4);
            try {
                List<Future<Integer>> results = new ArrayList<>();
                for (int thread = 0; thread < 4; thread++) {
                    results.add(executor.submit(() -> {
                        int equal = 0;
                        for (int i = 0; i < 50; i++) {
                            try (NDManager own = NDManager.newBaseManager()) {
                                float[] y = layer.forward(
                                                new ParameterStore(own, false), new NDList(LAYER.x(own)), false)
                                        .head()
                                        .toFloatArray();
                                equal += java.util.Arrays.equals(y, serial) ? 1 : 0;
                            }
                        }
                        return equal;
                    }));
                }
                for (Future<Integer> result : results) {
                    assertThat(result.get()).isEqualTo(50);
                }
            } finally {
                executor.shutdown();
            }
        }
    }

    @Test
    void resultsBelongToTheManagerOfXAndNothingStays() {
        int onModel = modelManager.getManagedArrays().size();
        for (boolean training : new boolean[] {false, true}) {
            for (Precision precision : List.of(Precision.FLOAT32, Precision.BFLOAT16)) {
                MoeBlock layer = LAYER.block(modelManager, MoeBlock.builder().optPrecision(precision));
                int before = modelManager.getManagedArrays().size();
                try (NDManager own = NDManager.newBaseManager()) {
                    NDList outputs = forward(layer, LAYER.x(own), training);
                    assertThat(outputs)
                            .allSatisfy(array -> assertThat(array.getManager()).isSameAs(own));
                    assertThat(own.getManagedArrays()).hasSize(1 + outputs.size());
                }
                assertThat(modelManager.getManagedArrays()).hasSize(before);
            }
        }
        assertThat(modelManager.getManagedArrays().size() - onModel)
                .isEqualTo(4 * SPEC.parameters().size());
        LAYER.actual(manager, block);
        assertThat(modelManager.getManagedArrays().size() - onModel)
                .isEqualTo(4 * SPEC.parameters().size());
    }

    @Test
    void twinLeavesNothingBehindEither() {
        int before = modelManager.getManagedArrays().size();
        Map<String, NDArray> parameters = new java.util.HashMap<>();
        block.getDirectParameters()
                .forEach(p -> parameters.put(p.getKey(), p.getValue().getArray()));
        NDList outputs = NDArrayMoe.forward(SPEC, parameters, LAYER.x(manager));
        assertThat(outputs).allSatisfy(array -> assertThat(array.getManager()).isSameAs(manager));
        assertThat(manager.getManagedArrays()).hasSize(1 + outputs.size());
        assertThat(modelManager.getManagedArrays()).hasSize(before);
    }

    @Test
    void gradientsAddUpOverBackwardCalls() {
        Map<String, double[]> once = LAYER.actual(manager, block);
        Map<String, double[]> twice = LAYER.actual(manager, block);
        once.forEach((name, values) -> {
            if (name.startsWith("d ")) {
                for (int i = 0; i < values.length; i++) {
                    assertThat(twice.get(name)[i]).as(name).isEqualTo(2 * values[i]);
                }
            }
        });
        assertThat(once).containsKeys("d down", "d router", "d latent_in", "d shared_gate");
    }

    @Test
    void frozenParametersGetNoGradient() {
        block.freezeParameters(true, parameter -> parameter.getName().equals("down"));
        Map<String, double[]> frozen = LAYER.actual(manager, block);
        assertThat(frozen).doesNotContainKey("d down").containsKey("d up");
        Map<String, double[]> expected = LAYER.expected();
        for (int i = 0; i < expected.get("dx").length; i++) {
            assertThat(frozen.get("dx")[i])
                    .isCloseTo(expected.get("dx")[i], org.assertj.core.api.Assertions.within(1e-4));
        }
    }

    @Test
    void aLayerOfFrozenParametersStillPassesGradientsToItsInput() {
        block.freezeParameters(true);
        Map<String, double[]> frozen = LAYER.actual(manager, block);
        assertThat(frozen.keySet()).containsExactly("y", "aux", "load", "dx");
    }

    @Test
    void aFrozenLayerOnFrozenInputBuildsNoGraph() {
        block.freezeParameters(true);
        try (GradientCollector collector = Engine.getInstance().newGradientCollector()) {
            assertThat(hasGraph(forward(block, LAYER.x(manager), true).head())).isFalse();
        }
    }
}
