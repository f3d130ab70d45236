package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.util.Pair;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.GemmKernel;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.LatentAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.RopeSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Models prepared for inference against themselves before, and filled from a source of weights against those initialised. */
class CausalLmPreparedTest {

    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        Gemm.use(Optional.empty());
        manager.close();
    }

    /** All with a dense, a MoE and a MoLAE layer, of which some parts are packed and others stay. */
    enum Kind {
        GROUPED(LmFixture.spec()),
        GROUPED_TIED(LmFixture.specBuilder().optTieWordEmbeddings(true).build()),
        LATENT(LmFixture.specBuilder()
                .setAttention(new LatentAttentionSpec(3, 0, 5, 3, 4, 6, 50))
                .build()),
        LATENT_QUERIES_TIED(LmFixture.specBuilder()
                .setAttention(new LatentAttentionSpec(3, 4, 5, 3, 4, 6, RopeSpec.of(50), 1e-6, true))
                .optTieWordEmbeddings(true)
                .build());

        private final ModelSpec spec;

        Kind(ModelSpec spec) {
            this.spec = spec;
        }
    }

    /** Logits of a forward pass, of a decoding in parts, and of one of padded sequences, one behind the other. */
    private double[] logits(CausalLm model) {
        NDArray tokens = LmFixture.tokens(manager, LmFixture.TOKENS);
        List<NDArray> logits = new ArrayList<>();
        logits.add(LmFixture.infer(model, tokens).head().flatten());
        int[] parts = {3, 1, 2};
        for (int[] padding : new int[][] {{0, 0}, {0, 2}}) {
            try (KvCache cache = new KvCache(model.spec(), manager, 6, padding)) {
                for (int part : parts) {
                    NDArray read = tokens.get(new NDIndex(":, {}:{}", cache.length(), cache.length() + part));
                    logits.add(model.decode(new ParameterStore(manager, false), read, cache)
                            .flatten());
                }
            }
        }
        return logits.stream()
                .flatMapToDouble(array -> Arrays.stream(LmFixture.doubles(array)))
                .toArray();
    }

    /** What is lost, of the norm of the logits. Weights as small as these lose much to int8: see the next test. */
    @ParameterizedTest
    @CsvSource({
        "FLOAT32, MATMUL, 1e-5",
        "FLOAT32, ONEDNN, 1e-5",
        "BFLOAT16, MATMUL, 0.04",
        "BFLOAT16, ONEDNN, 0.04",
        "FLOAT16, MATMUL, 4e-3",
        "FLOAT16, FBGEMM, 4e-3",
        "INT8, MATMUL, 0.1",
        "INT8, FBGEMM, 0.1",
    })
    void infersAndDecodesLikeTheUnpreparedModel(Precision precision, GemmKernel kernel, double tolerance) {
        Gemm.use(Optional.of(kernel));
        for (Kind kind : List.of(Kind.LATENT, Kind.LATENT_QUERIES_TIED)) {
            CausalLm model = LmFixture.model(kind.spec, manager);
            double[] exact = logits(model);
            model.prepareForInference(precision);
            assertThat(LmFixture.relativeDistance(logits(model), exact))
                    .as("%s", kind)
                    .isLessThan(tolerance);
        }
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void losesWithInt8NothingButWhatTheWeightsDo(Kind kind) {
        Gemm.use(Optional.of(GemmKernel.MATMUL));
        CausalLm model = LmFixture.model(kind.spec, manager);
        Map<String, double[]> rounded = LmFixture.values(model);
        for (Pair<String, Parameter> entry : model.getParameters()) {
            Shape shape = entry.getValue().getShape();
            if (shape.dimension() > 1 && !entry.getKey().matches(".*(router|kv_b_proj)")) {
                round(rounded.get(entry.getKey()), (int) shape.get(shape.dimension() - 1));
            }
        }
        double[][][] expected =
                new ReferenceLm(kind.spec, rounded).forward(LmFixture.TOKENS).logits();

        model.prepareForInference(Precision.INT8);

        NDArray logits = LmFixture.infer(model, LmFixture.tokens(manager, LmFixture.TOKENS))
                .head();
        assertThat(LmFixture.relativeDistance(LmFixture.doubles(logits), LmFixture.flat(expected)))
                .isLessThan(1e-5);
    }

    /** To 127 steps of each row's largest. */
    private static void round(double[] values, int columns) {
        for (int from = 0; from < values.length; from += columns) {
            double largest = 0;
            for (int i = from; i < from + columns; i++) {
                largest = Math.max(largest, Math.abs(values[i]));
            }
            for (int i = from; i < from + columns; i++) {
                values[i] = Math.rint(values[i] / largest * 127) * largest / 127;
            }
        }
    }

    /** A source that reads rows of arrays, as one of a file would. */
    private static WeightSource rowsOf(Map<String, float[]> values, CausalLm model) {
        Map<Parameter, String> names =
                model.getParameters().stream().collect(Collectors.toMap(Pair::getValue, Pair::getKey));
        return (owner, parameter, first, count) -> {
            Shape row = parameter.getShape().slice(1);
            int size = (int) row.size();
            float[] all = values.get(names.get(parameter));
            float[] rows = Arrays.copyOfRange(all, (int) first * size, (int) (first + count) * size);
            return owner.create(rows, new Shape(count).addAll(row));
        };
    }

    private static Map<String, float[]> values(CausalLm model) {
        return model.getParameters().stream()
                .collect(Collectors.toMap(
                        Pair::getKey, entry -> entry.getValue().getArray().toFloatArray()));
    }

    @ParameterizedTest
    @CsvSource({
        "FLOAT32, LATENT_QUERIES_TIED",
        "BFLOAT16, LATENT_QUERIES_TIED",
        "FLOAT16, LATENT",
        "INT8, LATENT_QUERIES_TIED",
        "INT8, GROUPED",
    })
    void packsWhatASourceReadsLikeWhatItHas(Precision precision, Kind kind) {
        CausalLm initialized = LmFixture.model(kind.spec, manager);
        CausalLm empty = CausalLm.builder().setSpec(kind.spec).build();
        WeightSource source = rowsOf(values(initialized), empty);

        empty.prepareForInference(manager, source, precision);

        initialized.prepareForInference(precision);
        assertThat(logits(empty)).containsExactly(logits(initialized));
        assertThat(empty.preparedPrecision()).contains(precision);
        assertThat(empty.isInitialized()).isTrue();
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void fillsParametersFromASourceWithoutChangingABit(Kind kind) {
        CausalLm initialized = LmFixture.model(kind.spec, manager);
        CausalLm empty = CausalLm.builder().setSpec(kind.spec).build();
        Map<String, float[]> values = values(initialized);
        WeightSource source = rowsOf(values, empty);

        empty.getParameters().values().forEach(parameter -> source.fill(manager, parameter));

        values(empty).forEach((name, filled) -> assertThat(filled).as(name).containsExactly(values.get(name)));
        assertThat(logits(empty)).containsExactly(logits(initialized));
    }

    @Test
    void fillsAnArrayThatIsThereInPlace() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        WeightSource source = rowsOf(values(model), model);
        Parameter stack = model.getParameters().get("02layers_04mlp_down");
        NDArray array = stack.getArray();
        float[] before = array.toFloatArray();
        array.muli(2);
        source.fill(manager, stack);
        assertThat(stack.getArray()).isSameAs(array);
        assertThat(array.toFloatArray()).containsExactly(before);
    }

    /** Three rows of 17 MB, of which two would be more than a chunk. */
    @Test
    void fillsALargeParameterChunkByChunk() {
        Parameter table = Parameter.builder()
                .setName("table")
                .setType(Parameter.Type.WEIGHT)
                .optShape(new Shape(3, 4_300_000))
                .build();
        List<Long> read = new ArrayList<>();
        WeightSource source = (owner, parameter, first, count) -> {
            read.addAll(List.of(first, count));
            return owner.full(new Shape(count, 4_300_000), first + 0.5f, DataType.FLOAT32);
        };
        try (NDManager own = NDManager.newBaseManager()) {
            source.fill(own, table);
            assertThat(read).containsExactly(0L, 1L, 1L, 1L, 2L, 1L);
            for (int row = 0; row < 3; row++) {
                NDArray values = table.getArray().get(row);
                assertThat(values.min().getFloat()).isEqualTo(row + 0.5f);
                assertThat(values.max().getFloat()).isEqualTo(row + 0.5f);
            }
        }
    }

    @Test
    void trainsAfterBeingFilled() {
        CausalLm initialized = LmFixture.model(LmFixture.spec(), manager);
        CausalLm empty = CausalLm.builder().setSpec(LmFixture.spec()).build();
        WeightSource source = rowsOf(values(initialized), empty);
        empty.getParameters().values().forEach(parameter -> source.fill(manager, parameter));
        NDArray tokens = LmFixture.tokens(manager, LmFixture.TOKENS);
        NDArray labels = LmFixture.labels(manager, LmFixture.TOKENS);
        LmFixture.train(initialized, tokens, labels);
        LmFixture.train(empty, tokens, labels);
        Map<String, double[]> expected = LmFixture.gradients(initialized);
        LmFixture.gradients(empty)
                .forEach((name, gradient) -> assertThat(gradient).as(name).containsExactly(expected.get(name)));
    }

    @Test
    void refusesToPrepareTwiceWithASourceToo() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        model.prepareForInference(Precision.BFLOAT16);
        assertThatThrownBy(() -> model.prepareForInference(manager, WeightSource.ownValues(), Precision.FLOAT32))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("prepared for inference in BFLOAT16");
    }
}
