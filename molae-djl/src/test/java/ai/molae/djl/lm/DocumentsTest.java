package ai.molae.djl.lm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.torch.TorchArguments;
import ai.molae.spec.GroupedQueryAttentionSpec;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.QkNorm;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Documents packed into one row: each is treated as if it stood alone. */
class DocumentsTest {

    private static final int LENGTH = 14;
    /** Two documents between padding; three of which one is a single token; one whose tokens stand apart. */
    private static final int[][] DOCUMENTS = {
        {0, 5, 5, 5, 5, 0, 0, 2, 2, 2, 2, 2, 2, 2},
        {1, 1, 1, 1, 1, 1, 9, 3, 3, 3, 3, 3, 3, 0},
        {4, 4, 7, 7, 7, 4, 4, 4, 0, 7, 7, 7, 7, 7}
    };

    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private NDArray array(int[][] documents) {
        return LmFixture.tokens(manager, documents);
    }

    /** Places of a document in its row. */
    private static long[] places(int[] row, int document) {
        return IntStream.range(0, row.length)
                .filter(i -> row[i] == document)
                .mapToLong(i -> i)
                .toArray();
    }

    private static int[] documentsOf(int[] row) {
        return Arrays.stream(row).filter(d -> d != 0).distinct().toArray();
    }

    @ParameterizedTest
    @EnumSource(AttentionCase.class)
    void everyAttentionTreatsADocumentAsIfItStoodAlone(AttentionCase attention) {
        Attention block = attention.block(manager, Precision.FLOAT32);
        NDArray x = LmFixture.array(
                manager,
                LmFixture.random(DOCUMENTS.length * LENGTH, AttentionCase.WIDTH, 3),
                DOCUMENTS.length,
                LENGTH,
                AttentionCase.WIDTH);
        NDArray packed = attention.forward(block, x, array(DOCUMENTS));
        // A window counts what stands between the tokens of a document too.
        int rows = attention.name().contains("WINDOW") ? 2 : 3;
        for (int b = 0; b < rows; b++) {
            for (int document : documentsOf(DOCUMENTS[b])) {
                NDArray places = manager.create(places(DOCUMENTS[b], document));
                NDArray own = x.get(b).get(places).expandDims(0);
                NDArray alone = attention.forward(block, own, TorchArguments.absent());
                assertThat(LmFixture.doubles(packed.get(b).get(places)))
                        .as("row %d, document %d", b, document)
                        .containsExactly(LmFixture.doubles(alone), within(2e-5));
            }
        }
    }

    @Test
    void inBfloat16Too() {
        AttentionCase attention = AttentionCase.GROUPED;
        Attention block = attention.block(manager, Precision.BFLOAT16);
        NDArray x = LmFixture.array(
                manager, LmFixture.random(LENGTH, AttentionCase.WIDTH, 3), 1, LENGTH, AttentionCase.WIDTH);
        NDArray packed = attention.forward(block, x, array(new int[][] {DOCUMENTS[1]}));
        NDArray alone = attention.forward(block, x.get(new NDIndex(":, 7:13")), TorchArguments.absent());
        assertThat(LmFixture.doubles(packed.get(new NDIndex(":, 7:13"))))
                .containsExactly(LmFixture.doubles(alone), within(0.05));
        assertThat(LmFixture.relativeDistance(
                        LmFixture.doubles(packed.get(new NDIndex(":, 7:13"))), LmFixture.doubles(alone)))
                .isLessThan(0.01);
    }

    private static int[][] tokens(int[][] documents) {
        int[][] tokens = new int[documents.length][documents[0].length];
        for (int b = 0; b < tokens.length; b++) {
            for (int s = 0; s < tokens[b].length; s++) {
                tokens[b][s] = (5 * b + 3 * s + s * s) % LmFixture.VOCAB;
            }
        }
        return tokens;
    }

    private static NDArray pick(NDArray logits, int[] row, int b, int document, NDManager manager) {
        return logits.get(b).get(manager.create(places(row, document)));
    }

    @Test
    void aModelsLogitsAndGradientsAreThoseOfItsDocumentsAlone() {
        // Without auxiliary losses, which look at whole rows.
        ModelSpec spec = LmFixture.spec().mapMoe(moe -> moe.toBuilder()
                .optRouter(moe.router().toBuilder()
                        .optAuxLossCoef(0)
                        .optZLossCoef(0)
                        .build())
                .build());
        CausalLm model = LmFixture.model(spec, manager);
        int[][] tokens = tokens(DOCUMENTS);
        int[][] labels = new int[tokens.length][];
        for (int b = 0; b < tokens.length; b++) {
            int[] row = DOCUMENTS[b];
            int[] ids = tokens[b];
            labels[b] = new int[row.length];
            Arrays.setAll(labels[b], s -> row[s] == 0 ? -100 : (ids[s] + 4) % LmFixture.VOCAB);
        }
        NDArray logits = step(
                model, new NDList(array(tokens), array(DOCUMENTS)), LmFixture.labels(manager, labels), count(labels));
        Map<String, double[]> packed = LmFixture.gradients(model);
        clear(model);
        for (int b = 0; b < tokens.length; b++) {
            for (int document : documentsOf(DOCUMENTS[b])) {
                int[][] own = {at(tokens[b], places(DOCUMENTS[b], document))};
                int[][] ownLabels = {at(labels[b], places(DOCUMENTS[b], document))};
                NDArray alone =
                        step(model, new NDList(array(own)), LmFixture.labels(manager, ownLabels), count(labels));
                assertThat(LmFixture.doubles(pick(logits, DOCUMENTS[b], b, document, manager)))
                        .as("row %d, document %d", b, document)
                        .containsExactly(LmFixture.doubles(alone), within(2e-5));
            }
        }
        Map<String, double[]> summed = LmFixture.gradients(model);
        packed.forEach(
                (name, gradient) -> assertThat(summed.get(name)).as(name).containsExactly(gradient, within(2e-5)));
    }

    private static int[] at(int[] values, long[] places) {
        return Arrays.stream(places).mapToInt(i -> values[(int) i]).toArray();
    }

    private static int count(int[][] labels) {
        return (int) Arrays.stream(labels)
                .flatMapToInt(Arrays::stream)
                .filter(label -> label != -100)
                .count();
    }

    /** Adds the gradients of the summed cross-entropy over so many labels; returns the logits. */
    private NDArray step(CausalLm model, NDList inputs, NDArray labels, int count) {
        try (GradientTape tape = new GradientTape()) {
            NDList outputs = model.forward(new ParameterStore(manager, false), inputs, true);
            long own =
                    Arrays.stream(labels.toLongArray()).filter(l -> l != -100).count();
            NDArray share = manager.full(new Shape(), (float) own / count);
            tape.backward(CausalLmLoss.crossEntropy(outputs.head(), labels).mul(share));
            return outputs.head().stopGradient();
        }
    }

    private static void clear(CausalLm model) {
        model.getParameters().forEach(p -> {
            try (NDArray gradient = p.getValue().getArray().getGradient()) {
                gradient.muli(0);
            }
        });
    }

    @Test
    void oneDocumentOfWholeRowsIsNoMaskAtAllAndOneNumberIsLikeAnother() {
        CausalLm model = LmFixture.model(LmFixture.spec(), manager);
        NDArray tokens = array(LmFixture.TOKENS);
        double[] without = LmFixture.doubles(LmFixture.infer(model, tokens).head());
        Map<String, double[]> masked = new HashMap<>();
        for (int number : new int[] {1, 7}) {
            NDArray mask = manager.full(tokens.getShape(), number, DataType.INT64);
            NDList outputs = model.forward(new ParameterStore(manager, false), new NDList(tokens, mask), false);
            masked.put("" + number, LmFixture.doubles(outputs.head()));
        }
        assertThat(masked.get("1")).containsExactly(without, within(1e-5));
        assertThat(masked.get("7")).containsExactly(masked.get("1"));
    }

    /** Layers 0 and 2 have a window, layer 1 has none: two masks, whatever the number of layers. */
    @Test
    void masksAreMadeOncePerWindow() {
        GroupedQueryAttentionSpec spec = new GroupedQueryAttentionSpec(4, 2, 6, 100, false, QkNorm.NONE);
        try (Positions positions = Positions.of(spec, manager, LENGTH, array(DOCUMENTS), 0)) {
            assertThat(positions.mask(3, 6)).isSameAs(positions.mask(3, 6));
            assertThat(positions.mask(LENGTH, 6)).isSameAs(positions.mask(Positions.EVERYWHERE, 6));
            assertThat(positions.mask(3, 6)).isNotSameAs(positions.mask(LENGTH, 6));
        }
        try (Positions positions = Positions.of(spec, manager, LENGTH, TorchArguments.absent(), 0)) {
            assertThat(positions.mask(LENGTH, 6).isEmpty()).isTrue();
        }
    }
}
