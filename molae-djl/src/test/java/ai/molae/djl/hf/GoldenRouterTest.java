package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.ParameterStore;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.route.Routing;
import ai.molae.route.TopKRouter;
import ai.molae.spec.MoeSpec;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Parity with Hugging Face's own code inside the model: choices, weights, loads, hidden states and the loss of every layer. */
class GoldenRouterTest {

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    /** What Hugging Face's router said of a layer. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record GoldenLayer(int index, double[][] logitsTN, int[][] chosenTK, double[][] weightsTK) {

        static List<GoldenLayer> of(GoldenCase golden) {
            List<GoldenLayer> layers = new ArrayList<>();
            golden.json().getAsJsonArray("router").forEach(element -> {
                JsonObject layer = element.getAsJsonObject();
                layers.add(new GoldenLayer(
                        layer.get("layer").getAsInt(),
                        rows(layer, "router_logits"),
                        GoldenCase.ints(layer.getAsJsonArray("topk_indices")),
                        rows(layer, "topk_weights")));
            });
            return layers;
        }

        private static double[][] rows(JsonObject layer, String key) {
            List<double[]> rows = new ArrayList<>();
            if (!layer.has(key)) {
                return new double[0][]; // the sharded ones have the choices only
            }
            layer.getAsJsonArray(key).forEach(row -> rows.add(GoldenCase.flat(row)));
            return rows.toArray(new double[0][]);
        }

        long[] load(int numExperts) {
            long[] load = new long[numExperts];
            for (int[] chosenK : chosenTK) {
                Arrays.stream(chosenK).forEach(e -> load[e]++);
            }
            return load;
        }
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenConfigTest#cases")
    void theRouterOfTheSpecChoosesAndWeighsAsHuggingFace(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);
        CausalLm model = Loading.load(manager, golden.folder());
        List<GoldenLayer> layers = GoldenLayer.of(golden);
        assertThat(layers).isNotEmpty();
        for (GoldenLayer layer : layers) {
            MoeSpec spec = (MoeSpec) model.spec().feedForwards().get(layer.index());
            Routing routing = new TopKRouter(spec).route(layer.logitsTN(), bias(model, layer.index(), spec));
            for (int t = 0; t < layer.chosenTK().length; t++) {
                int[] experts = routing.experts()[t];
                double[] weights = routing.weights()[t];
                // golden choices stand by weight, ours by choice score, which the bias is part of
                int[] order = IntStream.range(0, experts.length)
                        .boxed()
                        .sorted(Comparator.comparingDouble(k -> -weights[k]))
                        .mapToInt(k -> k)
                        .toArray();
                String what = name + ", layer " + layer.index() + ", token " + t;
                assertThat(Arrays.stream(order).map(k -> experts[k]).toArray())
                        .as(what)
                        .containsExactly(layer.chosenTK()[t]);
                assertThat(Arrays.stream(order).mapToDouble(k -> weights[k]).toArray())
                        .as(what)
                        .containsExactly(layer.weightsTK()[t], within(1e-6));
            }
        }
    }

    private static double[] bias(CausalLm model, int layer, MoeSpec spec) {
        if (!spec.router().correctionBias()) {
            return new double[0];
        }
        return doubles(model.parametersByPath()
                .get("layers." + layer + ".mlp.e_score_correction_bias")
                .getArray());
    }

    private static double[] doubles(NDArray array) {
        float[] floats = array.toFloatArray();
        return IntStream.range(0, floats.length).mapToDouble(i -> floats[i]).toArray();
    }

    /** What the layers of a model return one after the other, behind the embedding of the golden tokens. */
    private List<NDList> walk(GoldenCase golden, CausalLm model, boolean training) {
        int[][] ids = golden.inputIds();
        ParameterStore store = new ParameterStore(manager, false);
        float[] table = model.parametersByPath().get("embed_tokens").getArray().toFloatArray();
        int n = model.spec().hiddenSize();
        float[] embedded = new float[ids.length * ids[0].length * n];
        for (int i = 0; i < embedded.length; i++) {
            int token = i / n;
            embedded[i] = table[ids[token / ids[0].length][token % ids[0].length] * n + i % n];
        }
        List<NDList> states = new ArrayList<>();
        states.add(new NDList(manager.create(embedded, new Shape(ids.length, ids[0].length, n))));
        for (DecoderLayer layer : model.layers()) {
            states.add(layer.forward(store, states.get(states.size() - 1).subNDList(0, 1), training));
        }
        return states;
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenConfigTest#cases")
    void hiddenStatesAreThoseOfHuggingFaceLayerByLayer(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);
        CausalLm model = Loading.load(manager, golden.folder());
        List<NDList> states = walk(golden, model, false);
        int n = model.spec().hiddenSize();
        double[] expected = golden.doubles("hidden_last_token_seq0");
        assertThat(expected).hasSize(states.size() * n);
        for (int i = 0; i < states.size(); i++) {
            double[] last = doubles(states.get(i).head().get(0, -1));
            // the golden states end with the normed one
            double[] state = i == states.size() - 1 ? normed(model, last) : last;
            assertThat(state)
                    .as("state %d", i)
                    .containsExactly(Arrays.copyOfRange(expected, i * n, (i + 1) * n), within(2e-5));
        }
    }

    private static double[] normed(CausalLm model, double[] h) {
        double[] weight = doubles(model.parametersByPath().get("norm").getArray());
        double square = Arrays.stream(h).map(v -> v * v).average().orElseThrow();
        double scale = 1 / Math.sqrt(square + model.spec().rmsNormEps());
        return IntStream.range(0, h.length)
                .mapToDouble(i -> h[i] * scale * weight[i])
                .toArray();
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenCase#allNames")
    void loadsCountTheChoicesOfHuggingFace(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);
        List<NDList> states = walk(golden, Loading.load(manager, golden.folder()), true);
        for (GoldenLayer layer : GoldenLayer.of(golden)) {
            long[] load = states.get(layer.index() + 1).get(2).toLongArray();
            assertThat(load).as("layer %d", layer.index()).containsExactly(layer.load(load.length));
        }
    }

    /** DeepSeek's own gate computed these; Hugging Face's has no loss. */
    @ParameterizedTest
    @ValueSource(strings = {"deepseek_v2-a", "deepseek_v2-c"})
    void theBalancingLossOfDeepSeekIsPerSequence(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);
        Map<Integer, Double> expected = new HashMap<>();
        golden.json()
                .getAsJsonObject("deepseek_seq_aux_loss")
                .getAsJsonArray("per_layer")
                .forEach(element -> {
                    JsonObject layer = element.getAsJsonObject();
                    expected.put(
                            layer.get("layer").getAsInt(),
                            layer.get("seq_aux_loss").getAsDouble());
                });
        CausalLm model = Loading.load(manager, golden.folder());
        List<NDList> states = walk(golden, model, true);
        assertThat(expected).isNotEmpty();
        expected.forEach((layer, loss) ->
                assertThat((double) states.get(layer + 1).get(1).getFloat()).isCloseTo(loss, within(1e-8)));
        NDList outputs =
                model.forward(new ParameterStore(manager, false), new NDList(manager.create(golden.inputIds())), true);
        assertThat((double) outputs.get(1).getFloat())
                .isCloseTo(expected.values().stream().mapToDouble(v -> v).sum(), within(1e-8));
    }
}
