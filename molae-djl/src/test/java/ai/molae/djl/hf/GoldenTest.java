package ai.molae.djl.hf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.molae.djl.generate.Generator;
import ai.molae.djl.generate.Sampling;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.lm.CausalLmLoss;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Parity with Hugging Face's own code: every checkpoint, every number it was asked for. */
class GoldenTest {

    /** Four times the largest error; {@link GoldenSensitivityTest} shows what it would miss if it were larger. */
    static final double LOGIT_TOLERANCE = 2e-5;

    private final NDManager manager = NDManager.newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    private CausalLm load(GoldenCase golden) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(golden.folder())) {
            return checkpoint.load(manager, Precision.FLOAT32);
        }
    }

    private NDArray array(int[][] rows) {
        long[] flat = Arrays.stream(rows)
                .flatMapToInt(Arrays::stream)
                .mapToLong(i -> i)
                .toArray();
        return manager.create(flat, new Shape(rows.length, rows[0].length));
    }

    private static double[] doubles(NDArray array) {
        float[] floats = array.toFloatArray();
        double[] doubles = new double[floats.length];
        Arrays.setAll(doubles, i -> floats[i]);
        return doubles;
    }

    private static int[][] shifted(int[][] ids) {
        int[][] labels = new int[ids.length][];
        for (int b = 0; b < ids.length; b++) {
            labels[b] = Arrays.copyOfRange(ids[b], 1, ids[b].length + 1);
            labels[b][ids[b].length - 1] = -100;
        }
        return labels;
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenCase#allNames")
    void logitsAreThoseOfHuggingFace(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);
        NDArray logits = load(golden)
                .forward(new ParameterStore(manager, false), new NDList(array(golden.inputIds())), false)
                .singletonOrThrow();
        assertThat(doubles(logits)).containsExactly(golden.doubles("logits"), within(LOGIT_TOLERANCE));
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenCase#allNames")
    void greedyTokensAreThoseOfHuggingFace(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);
        JsonObject greedy = golden.json().getAsJsonObject("greedy");
        int[] prompt = GoldenCase.row(greedy.getAsJsonArray("prompt"));
        int[] expected = GoldenCase.row(greedy.getAsJsonArray("tokens"));
        CausalLm model = load(golden);
        assertThat(new Generator(model).generate(prompt, Sampling.greedy(expected.length)))
                .containsExactly(expected);
        assertThat(withoutCache(model, prompt, expected.length)).containsExactly(expected);
    }

    /** The golden prompt stands between a shorter one and a longer one, so that it is padded and pads. */
    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenCase#allNames")
    void greedyTokensAreTheSameInABatchWithPadding(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);
        JsonObject greedy = golden.json().getAsJsonObject("greedy");
        int[] prompt = GoldenCase.row(greedy.getAsJsonArray("prompt"));
        int[] expected = GoldenCase.row(greedy.getAsJsonArray("tokens"));
        int[] longer = Arrays.copyOf(prompt, prompt.length + 3);
        List<int[]> prompts = List.of(Arrays.copyOf(prompt, 4), prompt, longer);
        Sampling sampling = Sampling.greedy(expected.length);
        for (int chunk : new int[] {512, 6}) {
            Generator generator = Generator.builder()
                    .setModel(load(golden))
                    .optPrefillChunk(chunk)
                    .build();
            List<int[]> texts = generator.generate(prompts, sampling, (sequence, token) -> {});
            assertThat(texts.get(1)).containsExactly(expected);
            assertThat(texts.get(0)).containsExactly(generator.generate(prompts.get(0), sampling));
        }
    }

    private int[] withoutCache(CausalLm model, int[] prompt, int count) {
        int[] all = prompt;
        for (int i = 0; i < count; i++) {
            float[] logits = model.forward(
                            new ParameterStore(manager, false), new NDList(array(new int[][] {all})), false)
                    .head()
                    .get(0, all.length - 1)
                    .toFloatArray();
            int best = 0;
            for (int id = 1; id < logits.length; id++) {
                best = logits[id] > logits[best] ? id : best;
            }
            all = Arrays.copyOf(all, all.length + 1);
            all[all.length - 1] = best;
        }
        return Arrays.copyOfRange(all, prompt.length, all.length);
    }

    /** Cross-entropy, auxiliary loss and gradients of one pass. */
    private record Pass(double crossEntropy, double aux, Map<String, Double> gradientNorms) {}

    private Pass train(CausalLm model, NDList inputs, int[][] labels, boolean withAux, GradientCollector collector) {
        try (collector) {
            NDList outputs = model.forward(new ParameterStore(manager, false), inputs, true);
            NDArray crossEntropy = CausalLmLoss.crossEntropy(outputs.get(0), array(labels));
            collector.backward(withAux ? crossEntropy.add(outputs.get(1)) : crossEntropy);
            Map<String, Double> norms = new HashMap<>();
            model.parametersByPath().forEach((path, parameter) -> {
                if (parameter.requiresGradient()) {
                    norms.put(path, norm(parameter));
                }
            });
            return new Pass(crossEntropy.getFloat(), outputs.get(1).getFloat(), norms);
        }
    }

    private static double norm(Parameter parameter) {
        try (NDArray gradient = parameter.getArray().getGradient()) {
            return Math.sqrt(Arrays.stream(doubles(gradient)).map(v -> v * v).sum());
        }
    }

    /** GoldenCase norms are per tensor of the checkpoint; a parameter's is the root of the sum of the squares of its tensors'. */
    private static Map<String, Double> byParameter(GoldenCase golden, String key) throws IOException {
        Map<String, Double> byTensor = golden.numbers(key);
        Map<String, Double> norms = new HashMap<>();
        CheckpointConfig config = CheckpointConfig.read(golden.folder());
        for (TensorBinding binding : config.bindings(Set.of())) {
            double sum = 0;
            boolean any = false;
            for (TensorBinding.Piece piece : binding.pieces()) {
                Double norm = byTensor.get(piece.tensor());
                if (norm != null) {
                    any = true;
                    sum += norm * norm;
                }
            }
            if (any) {
                norms.put(binding.parameter(), Math.sqrt(sum));
            }
        }
        return norms;
    }

    private static void assertNorms(Map<String, Double> actual, Map<String, Double> expected) {
        assertThat(actual.keySet()).isEqualTo(expected.keySet());
        expected.forEach(
                (path, norm) -> assertThat(actual.get(path)).as(path).isCloseTo(norm, within(1e-4 * norm + 1e-7)));
    }

    @ParameterizedTest
    @MethodSource("ai.molae.djl.hf.GoldenCase#allNames")
    void lossesAndGradientsAreThoseOfHuggingFace(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);
        int[][] ids = golden.inputIds();
        for (boolean tape : List.of(true, false)) {
            CausalLm model = load(golden);
            Pass pass = train(model, new NDList(array(ids)), shifted(ids), false, collector(tape));
            assertThat(pass.crossEntropy()).isCloseTo(golden.json().get("loss").getAsDouble(), within(2e-5));
            if (golden.has("aux_loss")) {
                double coefficient = golden.json().get("router_aux_loss_coef").getAsDouble();
                assertThat(pass.aux())
                        .isCloseTo(coefficient * golden.json().get("aux_loss").getAsDouble(), within(1e-6));
            }
            if (golden.has("grad_norms")) {
                assertNorms(pass.gradientNorms(), byParameter(golden, "grad_norms"));
            }
            if (golden.has("grad_norms_with_aux")) {
                CausalLm again = load(golden);
                Pass withAux = train(again, new NDList(array(ids)), shifted(ids), true, collector(tape));
                assertThat(withAux.crossEntropy() + withAux.aux())
                        .isCloseTo(golden.json().get("loss_with_aux").getAsDouble(), within(2e-5));
                assertNorms(withAux.gradientNorms(), byParameter(golden, "grad_norms_with_aux"));
            }
        }
    }

    private GradientCollector collector(boolean tape) {
        return tape ? new GradientTape() : manager.getEngine().newGradientCollector();
    }

    @ParameterizedTest
    @FieldSource("ai.molae.djl.hf.GoldenCase#NAMES")
    void paddingCountsInNoLoss(String name) throws IOException {
        GoldenCase golden = GoldenCase.of(name);
        JsonObject masked = golden.json().getAsJsonObject("masked");
        int[][] mask = GoldenCase.ints(masked.getAsJsonArray("attention_mask"));
        int[][] given = GoldenCase.ints(masked.getAsJsonArray("labels"));
        NDList inputs = new NDList(array(golden.inputIds()), array(mask));
        Pass pass = train(load(golden), inputs, shifted(given), false, collector(true));
        assertThat(pass.crossEntropy()).isCloseTo(masked.get("loss").getAsDouble(), within(2e-5));
        if (!masked.get("aux_loss").isJsonNull()) {
            double coefficient = golden.json().get("router_aux_loss_coef").getAsDouble();
            assertThat(pass.aux())
                    .isCloseTo(coefficient * masked.get("aux_loss").getAsDouble(), within(1e-6));
        }
    }
}
