package ai.molae.bench.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.assertj.core.api.Assumptions.assumeThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.molae.bench.contender.Contender;
import ai.molae.bench.contender.Implementation;
import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.LayerCase;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.GemmKernel;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Memory of what is built, and what is left out of it. */
class TrialTest {

    private static final int MIB = 1 << 20;
    /** The code of a layer's TorchScript module. */
    private static final int MODULE = 3 * MIB;

    private static final int NOISE = 6 * MIB;

    @BeforeEach
    void needsFigures() {
        assumeThat(NativeMemory.inUse()).as("glibc's mallinfo2").isPresent();
    }

    private static LayerCase layer(Scale scale, Variant variant) {
        return new LayerCase(ai.molae.bench.workload.Shape.MIXTRAL_8X7B, scale, variant, ExpertLoad.BALANCED, 64);
    }

    private static double retained(LayerCase layer, Precision precision) {
        Trial.begin();
        try (Contender contender = Implementation.MOLAE.open(layer, precision)) {
            Trial.notCounted(
                    4L * Contender.INPUTS * layer.tokens() * layer.spec().hiddenSize());
            Trial.built();
            contender.forward(0);
        }
        return Trial.facts().get(Metric.RETAINED_BYTES);
    }

    /** Mixtral's widths are multiples of the blocks that FBGEMM fills up. */
    @ParameterizedTest
    @CsvSource({"MOE, FLOAT32", "MOE, BFLOAT16", "MOE, INT8", "MOLAE, BFLOAT16", "MOLAE, INT8"})
    void whatIsRetainedIsWhatTheCostModelSays(Variant variant, Precision precision) {
        retained(layer(Scale.TINY, variant), precision); // warms
        LayerCase layer = layer(Scale.SMALL, variant);

        double weights = CostModel.layer(layer.spec()).weightBytes(ElementType.valueOf(precision.name()));
        assertThat(retained(layer, precision) - weights).isBetween(-0.02 * weights, 0.02 * weights + MODULE);
    }

    @Test
    void arraysOfTheBenchmarkAreNotCounted() {
        try (NDManager manager = NDManager.newBaseManager()) {
            manager.ones(new Shape(1));
            Trial.begin();
            NDArray weights = manager.ones(new Shape(16 * MIB));
            NDArray inputs = manager.ones(new Shape(8 * MIB));
            Trial.notCounted(32L * MIB);
            Trial.built();

            assertThat(Trial.facts().get(Metric.RETAINED_BYTES)).isBetween(64.0 * MIB - NOISE, 64.0 * MIB + NOISE);
            inputs.close();
            weights.close();
        }
    }

    /** DJL fills arrays through Java's direct buffers, which lie in the same memory until they are collected. */
    @Test
    void buffersThatNobodyRefersToAreNotRetained() {
        try (NDManager manager = NDManager.newBaseManager()) {
            manager.ones(new Shape(1));
            Trial.begin();
            manager.create(new float[16 * MIB]).close();
            Trial.built();

            assertThat(Trial.facts().get(Metric.RETAINED_BYTES)).isBetween(-1.0 * NOISE, 1.0 * NOISE);
        }
    }

    @Test
    void theResidentPeakShowsWhatIsGoneAgainAndBeginsAnew() {
        assumeThat(ProcessMemory.resetResidentPeak())
                .as("/proc/self/clear_refs")
                .isTrue();
        try (NDManager manager = NDManager.newBaseManager()) {
            manager.ones(new Shape(1));
            Trial.begin();
            Trial.beginResidentPeak(true);
            manager.full(new Shape(16 * MIB), 1, DataType.FLOAT32).close();
            NativeMemory.trim();
            Trial.putResidentPeak();
            double first = Trial.facts().get(Metric.RESIDENT_PEAK_BYTES);
            Trial.beginResidentPeak(true);
            Trial.putResidentPeak();

            assertThat(first).isBetween(60.0 * MIB, 100.0 * MIB);
            assertThat(Trial.facts().get(Metric.RESIDENT_PEAK_BYTES)).isLessThan(first - 50.0 * MIB);
        }
    }

    @Test
    void theJvmsOwnMemoryIsToldByCategory() {
        assertThat(
                        JvmMemory.sum(
                                """
                Total: reserved=7856590KB, committed=501102KB
                -                  Compiler (reserved=188KB, committed=188KB)
                                            (malloc=23KB #135)
                                            (arena=165KB #5)
                -                     Other (reserved=10KB, committed=10KB)
                                            (malloc=10KB #2)
                -               Arena Chunk (reserved=7KB, committed=7KB)
                                            (malloc=7KB)
                -    Native Memory Tracking (reserved=5KB, committed=5KB)
                                            (malloc=2KB #3)
                                            (tracking overhead=3KB)
                """))
                .isEqualTo(1024 * (23 + 165 + 7 + 2 + 3));
        assertThat(JvmMemory.allocated()).as("tests run with tracking on").isGreaterThan(MIB);
    }

    @Test
    void theMachineIsLookedAtAnewBeforeEveryIteration() {
        Trial.begin();
        Trial.measure(() -> java.util.Map.of(Metric.BANDWIDTH, 3.0));
        Trial.measure(() -> java.util.Map.of(Metric.BANDWIDTH, 4.0));

        assertThat(Trial.facts()).containsEntry(Metric.BANDWIDTH, 4.0);
    }

    @Test
    void lookingAtTheMachineLeavesNoTraceInPeakAndHeap() {
        needsFigures();
        try (NDManager manager = NDManager.newBaseManager()) {
            Trial.begin();
            Trial.watch();
            byte[][] garbage = new byte[1][];
            Trial.measure(() -> {
                garbage[0] = new byte[8 * MIB];
                manager.ones(new Shape(16 * MIB)).close();
                return java.util.Map.of();
            });
            Trial.iterated();
            Trial.putPeak(Trial.watched());

            assertThat(garbage[0]).hasSize(8 * MIB);
            assertThat(Trial.heapOfIteration()).isLessThan(MIB);
            assertThat(Trial.facts().get(Metric.PEAK_BYTES)).isLessThan(1.0 * NOISE);
        }
    }

    @Test
    void theHeapOfAnIterationIsWhatItsThreadAllocated() {
        Trial.begin();
        Trial.measure(java.util.Map::of);
        byte[] allocated = new byte[4 * MIB];
        Trial.iterated();

        assertThat(allocated).hasSize(4 * MIB);
        assertThat(Trial.heapOfIteration()).isBetween(4L * MIB, 5L * MIB);
    }

    @ParameterizedTest
    @CsvSource({"MOLAE, MOE", "NDARRAY_LOOP, MOE", "ONNX_RUNTIME, MOE", "MOLAE, MOLAE"})
    void closingALayerFreesWhatBuildingItTook(Implementation implementation, Variant variant) {
        needsFigures();
        var shape = ai.molae.bench.workload.Shape.PAPER;
        LayerCase layer = new LayerCase(shape, Scale.SMALL, variant, ExpertLoad.BALANCED, 4);
        implementation
                .open(new LayerCase(shape, Scale.TINY, variant, ExpertLoad.BALANCED, 4), Precision.FLOAT32)
                .close();
        Trial.begin();
        Contender contender = implementation.open(layer, Precision.FLOAT32);
        Trial.notCounted((long) Contender.INPUTS * 4 * layer.spec().hiddenSize() * Float.BYTES);
        Trial.built();
        contender.forward(0);
        Trial.end();
        contender.close();
        contender = null;
        Trial.closed();

        double weights = CostModel.layer(layer.spec()).weightBytes(ElementType.FLOAT32);
        assertThat(Trial.facts().get(Metric.RETAINED_BYTES)).isBetween(0.97 * weights, weights + NOISE);
    }

    @Test
    void whatClosingFreesIsRetainedIfItIsLessThanWhatBuildingTook() {
        needsFigures();
        try (NDManager manager = NDManager.newBaseManager()) {
            Trial.begin();
            NDArray layer = manager.ones(new Shape(16 * MIB));
            try (NDArray library = manager.ones(new Shape(8 * MIB))) {
                Trial.built();
                Trial.end();
                layer.close();
                Trial.closed();

                assertThat(library.size()).isEqualTo(8 * MIB);
                assertThat(Trial.facts().get(Metric.RETAINED_BYTES)).isBetween(64.0 * MIB - NOISE, 64.0 * MIB + NOISE);
            }
        }
    }

    @Test
    void matmulsInt8WeightsHaveNoPadding() {
        Gemm.use(Optional.of(GemmKernel.MATMUL));
        try {
            LayerCase layer = new LayerCase(
                    ai.molae.bench.workload.Shape.QWEN3_30B_A3B, Scale.SMALL, Variant.MOLAE, ExpertLoad.BALANCED, 1);
            assertThat(retained(layer, Precision.INT8))
                    .isCloseTo(
                            (double) CostModel.layer(layer.spec()).weightBytes(ElementType.INT8), withinPercentage(5));
        } finally {
            Gemm.use(Optional.empty());
        }
    }
}
