package ai.molae.djl.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.GemmKernel;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@link MoeBlock#prepareForInference}: what it refuses, frees and promises. */
class PreparedExpertsTest {

    private static final int N = 32;

    /** Every part that is packed; choices follow the logits, so that they stay when a token is scaled. */
    private static final MoeSpec SPEC = MoeSpec.builder()
            .setHiddenSize(N)
            .setIntermediateSize(24)
            .setNumExperts(6)
            .setTopK(2)
            .optRouter(RouterSpec.builder()
                    .optScoreFunction(ScoreFunction.SOFTMAX_OVER_CHOSEN)
                    .build())
            .optLatent(LatentSpec.builder().setLatentSize(16).setGroupSize(3).build())
            .optSharedExpert(new SharedExpertSpec(20, true))
            .build();

    private static final MoeSpec STANDARD = SPEC.withoutLatent();

    /** 31.5 MB of experts in float32. */
    private static final MoeSpec WIDE = MoeSpec.builder()
            .setHiddenSize(512)
            .setIntermediateSize(512)
            .setNumExperts(10)
            .setTopK(2)
            .build();

    /** Every way to store weights, with what it loses of the largest output, and what batching may lose. */
    enum Stored {
        FLOAT32_MATMUL(Precision.FLOAT32, GemmKernel.MATMUL, 1e-5, 1e-6),
        FLOAT32_ONEDNN(Precision.FLOAT32, GemmKernel.ONEDNN, 1e-5, 1e-6),
        BFLOAT16_MATMUL(Precision.BFLOAT16, GemmKernel.MATMUL, 0.03, 0x1p-7),
        BFLOAT16_ONEDNN(Precision.BFLOAT16, GemmKernel.ONEDNN, 0.03, 0x1p-7),
        FLOAT16_MATMUL(Precision.FLOAT16, GemmKernel.MATMUL, 0.003, 1e-6),
        FLOAT16_FBGEMM(Precision.FLOAT16, GemmKernel.FBGEMM, 0.003, 1e-6),
        INT8_MATMUL(Precision.INT8, GemmKernel.MATMUL, 0.05, 1e-6),
        INT8_FBGEMM(Precision.INT8, GemmKernel.FBGEMM, 0.05, 0x1p-7);

        private final Precision precision;
        private final GemmKernel kernel;
        private final double tolerance;
        private final double rounding;

        Stored(Precision precision, GemmKernel kernel, double tolerance, double rounding) {
            this.precision = precision;
            this.kernel = kernel;
            this.tolerance = tolerance;
            this.rounding = rounding;
        }
    }

    private NDManager modelManager;
    private NDManager manager;

    @BeforeEach
    void setUp() {
        modelManager = NDManager.newBaseManager();
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void tearDown() {
        Gemm.use(Optional.empty());
        manager.close();
        modelManager.close();
    }

    private static LayerCase layer(MoeSpec spec, int tokens) {
        return LayerCase.draw(spec, tokens, new SplittableRandom(11), LayerCase.FLOAT32);
    }

    private MoeBlock block(LayerCase layer) {
        return layer.block(modelManager, MoeBlock.builder());
    }

    private MoeBlock prepared(LayerCase layer, Stored stored) {
        Gemm.use(Optional.of(stored.kernel));
        MoeBlock block = block(layer);
        block.prepareForInference(stored.precision);
        return block;
    }

    private float[] infer(MoeBlock block, NDArray x) {
        return block.forward(new ParameterStore(manager, false), new NDList(x), false)
                .singletonOrThrow()
                .toFloatArray();
    }

    private static float largest(float[] values) {
        float largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    private static float[] row(float[] y, int t) {
        return Arrays.copyOfRange(y, t * N, (t + 1) * N);
    }

    private static void assertClose(float[] actual, float[] expected, double tolerance) {
        assertThat(largest(expected)).isPositive();
        assertThat(actual).containsExactly(expected, within((float) tolerance * largest(expected)));
    }

    // ---- what it computes ----

    @ParameterizedTest
    @EnumSource(Precision.class)
    void theMeasuredKernelComputesWhatTheBlockComputed(Precision precision) {
        for (MoeSpec spec : List.of(SPEC, STANDARD, MoeBlockTest.SPEC)) {
            for (int tokens : new int[] {5, 80}) {
                LayerCase layer = layer(spec, tokens);
                MoeBlock block = block(layer);
                float[] before = infer(block, layer.x(manager));
                assertThat(block.preparedPrecision()).isEmpty();
                block.prepareForInference(precision);
                assertThat(block.preparedPrecision()).contains(precision);
                assertThat(block.precision()).isEqualTo(Precision.FLOAT32);
                double tolerance =
                        switch (precision) {
                            case FLOAT32 -> 1e-5;
                            case BFLOAT16 -> 0.03;
                            case FLOAT16 -> 0.003;
                            case INT8 -> 0.05;
                        };
                assertClose(infer(block, layer.x(manager)), before, tolerance);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Stored.class)
    void everyKernelLosesSomethingButNotMore(Stored stored) {
        for (MoeSpec spec : List.of(SPEC, STANDARD)) {
            LayerCase layer = layer(spec, 80);
            float[] before = infer(block(layer), layer.x(manager));
            float[] after = infer(prepared(layer, stored), layer.x(manager));
            assertClose(after, before, stored.tolerance);
            if (stored.precision != Precision.FLOAT32) {
                assertThat(after).isNotEqualTo(before);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Stored.class)
    void aLoudTokenDoesNotDisturbTheOthers(Stored stored) {
        for (int tokens : new int[] {5, 80}) {
            for (MoeSpec spec : List.of(SPEC, STANDARD)) {
                LayerCase layer = layer(spec, tokens);
                MoeBlock block = prepared(layer, stored);
                float[] quiet = infer(block, layer.x(manager));
                float[] loud = infer(block, withLoudToken(layer, 1));
                for (int t = 0; t < tokens; t++) {
                    if (t == 1) {
                        assertThat(row(loud, t)).isNotEqualTo(row(quiet, t));
                    } else {
                        assertThat(row(loud, t)).as("token %s of %s", t, tokens).isEqualTo(row(quiet, t));
                    }
                }
            }
        }
    }

    /** Sigmoids of large logits are all 1, so that the loud token goes to other experts. */
    @ParameterizedTest
    @EnumSource(Stored.class)
    void aLoudTokenThatChangesExpertsDoesNotDisturbTheOthersEither(Stored stored) {
        MoeSpec spec = SPEC.toBuilder()
                .optRouter(RouterSpec.builder()
                        .optScoreFunction(ScoreFunction.SIGMOID)
                        .build())
                .build();
        for (int tokens : new int[] {5, 80}) {
            LayerCase layer = layer(spec, tokens);
            MoeBlock block = prepared(layer, stored);
            float[] quiet = infer(block, layer.x(manager));
            float[] loud = infer(block, withLoudToken(layer, 1));
            for (int t = 0; t < tokens; t++) {
                if (t != 1) {
                    assertThat(row(loud, t))
                            .as("token %s of %s", t, tokens)
                            .containsExactly(row(quiet, t), within(1e-5f * largest(quiet)));
                }
            }
        }
    }

    private NDArray withLoudToken(LayerCase layer, int token) {
        double[] x = LayerCase.flat(layer.xTn());
        for (int i = token * N; i < (token + 1) * N; i++) {
            x[i] *= 1000;
        }
        return manager.create(LayerCase.floats(x), new Shape(layer.xTn().length, N));
    }

    @ParameterizedTest
    @EnumSource(Stored.class)
    void aTokenAloneGivesWhatItGivesInTheBatch(Stored stored) {
        for (int tokens : new int[] {5, 80}) {
            for (MoeSpec spec : List.of(SPEC, STANDARD)) {
                LayerCase layer = layer(spec, tokens);
                MoeBlock block = prepared(layer, stored);
                float[] batch = infer(block, layer.x(manager));
                NDArray x = layer.x(manager);
                for (int t = 0; t < tokens; t += tokens > 5 ? 7 : 1) {
                    assertThat(infer(block, x.get(t)))
                            .as("token %s of %s", t, tokens)
                            .containsExactly(row(batch, t), within((float) stored.rounding * largest(batch)));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Stored.class)
    void noTokensGiveNothing(Stored stored) {
        MoeBlock block = prepared(layer(SPEC, 5), stored);
        NDArray y = block.forward(
                        new ParameterStore(manager, false), new NDList(manager.zeros(new Shape(2, 0, N))), false)
                .singletonOrThrow();
        assertThat(y.getShape()).isEqualTo(new Shape(2, 0, N));
    }

    @ParameterizedTest
    @EnumSource(Stored.class)
    void leadingDimensionsAreTokens(Stored stored) {
        LayerCase layer = layer(SPEC, 6);
        MoeBlock block = prepared(layer, stored);
        assertThat(infer(block, layer.x(manager).reshape(2, 3, N))).isEqualTo(infer(block, layer.x(manager)));
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void aTrainedPrecisionOfBfloat16MayBeStoredInAny(Precision precision) {
        LayerCase layer = layer(SPEC, 5);
        MoeBlock block = layer.block(modelManager, MoeBlock.builder().optPrecision(Precision.BFLOAT16));
        float[] before = infer(block, layer.x(manager));
        block.prepareForInference(precision);
        assertClose(infer(block, layer.x(manager)), before, 0.06);
    }

    @ParameterizedTest
    @EnumSource(Stored.class)
    void threadsMayInferAtOnce(Stored stored) throws Exception {
        LayerCase layer = layer(SPEC, 40);
        MoeBlock block = prepared(layer, stored);
        float[] serial = infer(block, layer.x(manager));
        ExecutorService executor = Executors.newFixedThreadPool(4);
        try {
            List<Future<Integer>> results = new ArrayList<>();
            for (int thread = 0; thread < 4; thread++) {
                results.add(executor.submit(() -> {
                    int equal = 0;
                    for (int i = 0; i < 20; i++) {
                        try (NDManager own = NDManager.newBaseManager()) {
                            float[] y = block.forward(new ParameterStore(own, false), new NDList(layer.x(own)), false)
                                    .head()
                                    .toFloatArray();
                            equal += Arrays.equals(y, serial) ? 1 : 0;
                        }
                    }
                    return equal;
                }));
            }
            for (Future<Integer> result : results) {
                assertThat(result.get()).isEqualTo(20);
            }
        } finally {
            executor.shutdown();
        }
    }

    // ---- what it refuses ----

    @Test
    void aSecondTimeIsRefused() {
        LayerCase layer = layer(SPEC, 5);
        MoeBlock block = block(layer);
        block.prepareForInference(Precision.BFLOAT16);
        float[] before = infer(block, layer.x(manager));
        assertThatIllegalStateException()
                .isThrownBy(() -> block.prepareForInference(Precision.INT8))
                .withMessageContainingAll("already prepared", "BFLOAT16", "new block");
        assertThat(block.preparedPrecision()).contains(Precision.BFLOAT16);
        assertThat(infer(block, layer.x(manager))).isEqualTo(before);
    }

    @Test
    void trainingAndSavingAreRefusedAfterwards() {
        LayerCase layer = layer(SPEC, 5);
        MoeBlock block = block(layer);
        block.prepareForInference(Precision.INT8);
        assertThatIllegalStateException()
                .isThrownBy(() -> block.forward(new ParameterStore(manager, false), new NDList(layer.x(manager)), true))
                .withMessageContainingAll("prepared for inference", "INT8", "train", "new block");
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        assertThatIllegalStateException()
                .isThrownBy(() -> block.saveParameters(new DataOutputStream(bytes)))
                .withMessageContainingAll("prepared for inference", "INT8", "save before prepareForInference");
        assertThat(bytes.size()).as("bytes of half a file").isZero();
    }

    @Test
    void anUninitialisedBlockIsRefused() {
        MoeBlock block = new MoeBlock(SPEC);
        assertThatIllegalStateException()
                .isThrownBy(() -> block.prepareForInference(Precision.FLOAT32))
                .withMessageContainingAll("router", "initialise or load");
        assertThat(block.preparedPrecision()).isEmpty();
    }

    @Test
    void inputsAreCheckedAsBefore() {
        MoeBlock block = block(layer(SPEC, 5));
        block.prepareForInference(Precision.FLOAT32);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> infer(block, manager.zeros(new Shape(3, 7))))
                .withMessageContainingAll("hiddenSize = 32", "(3, 7)");
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void aWeightThatIsNotFiniteIsRefusedAndTheBlockIsAsBefore(float value) {
        for (Precision precision : List.of(Precision.FLOAT16, Precision.INT8)) {
            assertRefused(precision, "down", value);
            assertRefused(precision, "latent_in", value);
            assertRefused(precision, "shared_down", value);
        }
    }

    @ParameterizedTest
    @ValueSource(floats = {1e5f, -1e5f, 65505})
    void aWeightBeyondFloat16IsRefusedAndTheBlockIsAsBefore(float value) {
        assertRefused(Precision.FLOAT16, "up", value);
    }

    private void assertRefused(Precision precision, String parameter, float value) {
        LayerCase layer = layer(SPEC, 5);
        MoeBlock block = block(layer);
        NDArray array = block.getDirectParameters().get(parameter).getArray();
        float[] right = array.toFloatArray();
        float[] wrong = right.clone();
        wrong[wrong.length / 2] = value;
        array.set(wrong);
        float[] before = infer(block, layer.x(manager));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> block.prepareForInference(precision))
                .withMessageContainingAll(
                        "parameter " + parameter + " ",
                        precision.name(),
                        Float.isFinite(value) ? "BFLOAT16" : "check where the weights come from");
        assertThat(block.preparedPrecision()).isEmpty();
        assertThat(infer(block, layer.x(manager))).isEqualTo(before);
        array.set(right);
        block.prepareForInference(precision);
        assertThat(block.preparedPrecision()).contains(precision);
        assertThat(infer(block, layer.x(manager))).doesNotContain(Float.NaN);
    }

    @Test
    void theLargestFloat16IsStored() {
        LayerCase layer = layer(SPEC, 5);
        MoeBlock block = block(layer);
        NDArray up = block.getDirectParameters().get("up").getArray();
        float[] values = up.toFloatArray();
        values[3] = 65504;
        values[4] = -65504;
        up.set(values);
        float[] before = infer(block, layer.x(manager));
        block.prepareForInference(Precision.FLOAT16);
        assertClose(infer(block, layer.x(manager)), before, 0.003);
    }

    /** The scale of a channel is its largest magnitude. */
    @ParameterizedTest
    @ValueSource(floats = {0, 1e-20f, 1e5f})
    void int8StoresChannelsOfAnyScale(float scale) {
        LayerCase layer = layer(STANDARD, 5);
        MoeBlock block = block(layer);
        block.getDirectParameters().get("down").getArray().muli(scale);
        float[] before = infer(block, layer.x(manager));
        block.prepareForInference(Precision.INT8);
        assertClose(infer(block, layer.x(manager)), before, 0.05);
    }

    @Test
    void weightsThatAreNotPackedStayParameters() {
        MoeBlock block = block(layer(SPEC, 5));
        block.prepareForInference(Precision.FLOAT32);
        assertThat(block.getDirectParameters().get("router").isInitialized()).isTrue();
        assertThat(block.getDirectParameters().get("shared_gate").isInitialized())
                .isTrue();
        for (String packed :
                List.of("latent_in", "gate", "up", "down", "latent_out", "shared_gate_up", "shared_down")) {
            assertThat(block.getDirectParameters().get(packed).isInitialized())
                    .as(packed)
                    .isFalse();
        }
        assertThat(modelManager.getManagedArrays()).hasSize(2);
    }

    // ---- memory ----

    /**
     * 10 · (1024 + 512) · 512 · 4 bytes = 31.5 MB of experts. Other arrays and what compilers keep come and go in the same memory at any time, so one
     * of several attempts has to show the figures.
     */
    @ParameterizedTest
    @EnumSource(Stored.class)
    void packedWeightsTakeThePlaceOfTheParametersAndDieWithTheirManager(Stored stored) {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        double megabytes = 10 * (1024 + 512) * 512 * 4e-6;
        double share =
                switch (stored.precision) {
                    case FLOAT32 -> 1;
                    case BFLOAT16, FLOAT16 -> 0.5;
                    case INT8 -> 0.25;
                };
        double[] expected = {megabytes, (share - 1) * megabytes, -share * megabytes};
        // compiles, and measures whatever is to be measured
        prepared(layer(SPEC, 5), stored);
        List<double[]> seen = new ArrayList<>();
        for (int attempt = 0; attempt < 6; attempt++) {
            double[] steps = initializedPreparedClosed(stored);
            seen.add(steps);
            if (IntStream.range(0, 3).allMatch(i -> Math.abs(steps[i] - expected[i]) < 5)) {
                return;
            }
        }
        assertThat(seen)
                .as("MB at each step, expected %s", Arrays.toString(expected))
                .isEmpty();
    }

    /** A block's weights are 50 kB here. A module of its own would be 2 MB. */
    @Test
    void theCodeIsThereOnceForAllBlocks() {
        assumeTrue(NativeMemory.inUse().isPresent(), "needs glibc");
        LayerCase layer = layer(SPEC, 5);
        Stored stored = Stored.BFLOAT16_ONEDNN;
        NDArray x = layer.x(manager);
        infer(prepared(layer, stored), x);
        long before = NativeMemory.inUse().orElseThrow();
        List<MoeBlock> blocks = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            MoeBlock block = prepared(layer, stored);
            infer(block, x);
            blocks.add(block);
        }
        assertThat((NativeMemory.inUse().orElseThrow() - before) / blocks.size())
                .isLessThan(500_000);
    }

    /** Weights of all blocks stand in one table, which grows and shrinks here while it is read. */
    @Test
    void aBlockInfersWhileOthersAreMadeAndClosed() throws Exception {
        LayerCase layer = layer(SPEC, 5);
        MoeBlock steady = prepared(layer, Stored.INT8_MATMUL);
        float[] expected = infer(steady, layer.x(manager));
        AtomicBoolean done = new AtomicBoolean();
        ExecutorService other = Executors.newSingleThreadExecutor();
        try {
            Future<Integer> calls = other.submit(() -> {
                int count = 0;
                try (NDManager own = NDManager.newBaseManager()) {
                    NDArray x = layer.x(own);
                    while (!done.get() || count == 0) {
                        try (NDList y = steady.forward(new ParameterStore(own, false), new NDList(x), false)) {
                            assertThat(y.get(0).toFloatArray()).isEqualTo(expected);
                        }
                        count++;
                    }
                }
                return count;
            });
            for (int i = 0; i < 100; i++) {
                try (NDManager owner = NDManager.newBaseManager()) {
                    MoeBlock block = layer.block(owner, MoeBlock.builder());
                    block.prepareForInference(Precision.INT8);
                    assertThat(infer(block, layer.x(manager))).isEqualTo(expected);
                }
            }
            done.set(true);
            assertThat(calls.get()).isPositive();
        } finally {
            done.set(true);
            other.shutdown();
        }
    }

    /** By how many megabytes native memory grew at each step. */
    private double[] initializedPreparedClosed(Stored stored) {
        NDManager owner = NDManager.newBaseManager();
        MoeBlock block = new MoeBlock(WIDE);
        long start = NativeMemory.inUse().orElseThrow();
        block.initialize(owner, DataType.FLOAT32, new Shape(1, 512));
        long initialized = NativeMemory.inUse().orElseThrow();
        block.prepareForInference(stored.precision);
        long packed = NativeMemory.inUse().orElseThrow();
        NDArray x = manager.ones(new Shape(3, 512));
        assertThat(infer(block, x)).hasSize(3 * 512);
        long used = NativeMemory.inUse().orElseThrow();
        owner.close();
        long closed = NativeMemory.inUse().orElseThrow();
        assertThatIllegalStateException()
                .isThrownBy(() -> infer(block, x))
                .withMessageContaining("packed weights of this MoeBlock are freed");
        return new double[] {(initialized - start) * 1e-6, (packed - initialized) * 1e-6, (closed - used) * 1e-6};
    }
}
