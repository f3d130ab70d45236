package ai.molae.djl.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.OptimizerReference.Reference;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every optimizer against its formula in double, over ten steps of random gradients and growing learning rates. */
class OptimizerFormulaTest {

    private static final double DECAY = 0.1;
    private static final int STEPS = 10;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");

    @AfterEach
    void close() {
        manager.close();
    }

    /** A stack of three experts, the second of which has no gradient in odd steps and the third never. */
    private void follows(
            TrainedArrays arrays, OptimizerSpec spec, Map<String, Reference> references, Map<String, Double> decay) {
        Map<String, double[]> expected = new HashMap<>();
        references.keySet().forEach(path -> expected.put(path, arrays.values(path)));
        try (Optimizer optimizer = Optimizers.of(manager, arrays.byPath(), spec, List.of())) {
            for (int step = 0; step < STEPS; step++) {
                Map<String, float[]> gradients = arrays.randomGradients(step);
                gradients.forEach((path, gradient) -> {
                    if (path.contains("experts")) {
                        int third = gradient.length / 3;
                        Arrays.fill(gradient, 2 * third, gradient.length, 0);
                    }
                });
                if (step % 2 == 1) {
                    gradients.forEach((path, gradient) -> {
                        if (path.contains("experts")) {
                            Arrays.fill(gradient, gradient.length / 3, 2 * gradient.length / 3, 0);
                        }
                    });
                }
                arrays.backward(gradients);
                double learningRate = 0.004 * (step + 1);
                optimizer.step(learningRate, step + 1, 0);
                references.forEach((path, reference) -> reference.step(
                        expected.get(path), gradients.get(path), learningRate, decay.getOrDefault(path, DECAY)));
            }
        }
        expected.forEach((path, w) -> {
            double largest = Arrays.stream(w).map(Math::abs).max().orElseThrow();
            assertThat(arrays.values(path)).as(path).containsExactly(w, within(1e-6 * largest));
        });
    }

    @Test
    void adamWFollowsItsFormulaAndOnlyMatricesDecay() {
        AdamWSpec spec = AdamWSpec.builder().optWeightDecay(DECAY).build();
        follows(
                new TrainedArrays(manager, 5)
                        .matrix("q", 3, 4)
                        .matrix("experts", 3, 4, 5)
                        .vector("norm", 4),
                spec,
                Map.of(
                        "q", OptimizerReference.adamW(spec, 12),
                        "experts", OptimizerReference.adamW(spec, 60),
                        "norm", OptimizerReference.adamW(spec, 4)),
                Map.of("norm", 0.0));
    }

    @Test
    void factoredAdamWFactorsTheMatricesOfAStackOneByOne() {
        AdamWSpec spec = AdamWSpec.builder()
                .optWeightDecay(DECAY)
                .optSecondMoment(SecondMoment.FACTORED)
                .build();
        follows(
                new TrainedArrays(manager, 6)
                        .matrix("q", 3, 4)
                        .matrix("experts", 3, 4, 5)
                        .matrix("large", 300, 1000)
                        .vector("norm", 4),
                spec,
                Map.of(
                        "q", OptimizerReference.factored(spec, 1, 3, 4),
                        "experts", OptimizerReference.factored(spec, 3, 4, 5),
                        "large", OptimizerReference.factored(spec, 1, 300, 1000),
                        "norm", OptimizerReference.adamW(spec, 4)),
                Map.of("norm", 0.0));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void muonOrthogonalisesEveryMatrixByItself(boolean nesterov) {
        AdamWSpec rest = AdamWSpec.builder().optWeightDecay(0.02).build();
        MuonSpec spec = MuonSpec.builder()
                .optMomentum(0.95, nesterov)
                .optWeightDecay(DECAY)
                .optAdamW(rest)
                .build();
        follows(
                new TrainedArrays(manager, 7)
                        .matrix("layers.0.self_attn.wide", 4, 6)
                        .matrix("layers.0.self_attn.tall", 6, 4)
                        .matrix("layers.0.experts.down", 3, 6, 5)
                        .matrix("layers.0.experts.gate_up", 3, 8, 5)
                        .matrix("layers.0.mlp.shared_gate_up", 6, 4)
                        .matrix("layers.0.mlp.router", 4, 5)
                        .matrix("embed_tokens", 5, 4)
                        .vector("norm", 4),
                spec,
                Map.of(
                        "layers.0.self_attn.wide", OptimizerReference.muon(spec, 1, 4, 6),
                        "layers.0.self_attn.tall", OptimizerReference.muon(spec, 1, 6, 4),
                        "layers.0.experts.down", OptimizerReference.muon(spec, 3, 6, 5),
                        "layers.0.experts.gate_up", OptimizerReference.muon(spec, 6, 4, 5),
                        "layers.0.mlp.shared_gate_up", OptimizerReference.muon(spec, 2, 3, 4),
                        "layers.0.mlp.router", OptimizerReference.adamW(rest, 20),
                        "embed_tokens", OptimizerReference.adamW(rest, 20),
                        "norm", OptimizerReference.adamW(rest, 4)),
                Map.of("layers.0.mlp.router", 0.02, "embed_tokens", 0.02, "norm", 0.0));
    }

    /** 300 experts of 32 x 64 are more than a piece of 2^18 elements. */
    @Test
    void muonGivesTheSameWhenAStackIsDoneInPieces() {
        MuonSpec spec = MuonSpec.builder().optWeightDecay(DECAY).build();
        TrainedArrays arrays = new TrainedArrays(manager, 8).matrix("stack", 300, 32, 64);
        double[] w = arrays.values("stack");
        Map<String, float[]> gradients = arrays.randomGradients(1);
        arrays.backward(gradients);
        try (Optimizer optimizer = Optimizers.of(manager, arrays.byPath(), spec, List.of())) {
            optimizer.step(0.01, 1, 0);
        }
        int size = 32 * 64;
        for (int n : new int[] {0, 127, 128, 299}) {
            double[] one = Arrays.copyOfRange(w, n * size, (n + 1) * size);
            float[] g = Arrays.copyOfRange(gradients.get("stack"), n * size, (n + 1) * size);
            OptimizerReference.muon(spec, 1, 32, 64).step(one, g, 0.01, DECAY);
            assertThat(Arrays.copyOfRange(arrays.values("stack"), n * size, (n + 1) * size))
                    .containsExactly(one, within(4e-6));
        }
    }

    @Test
    void muonInBfloat16IsCloseToThatInFloat32() {
        double[] exact = moved(Precision.FLOAT32);
        double largest = Arrays.stream(exact).map(Math::abs).max().orElseThrow();

        assertThat(moved(Precision.BFLOAT16)).isNotEqualTo(exact).containsExactly(exact, within(0.1 * largest));
    }

    private double[] moved(Precision precision) {
        TrainedArrays arrays = new TrainedArrays(manager, 9).matrix("w", 2, 16, 24);
        double[] before = arrays.values("w");
        arrays.backward(arrays.randomGradients(2));
        MuonSpec spec = MuonSpec.builder().optNewtonSchulz(5, precision).build();
        try (Optimizer optimizer = Optimizers.of(manager, arrays.byPath(), spec, List.of())) {
            optimizer.step(0.1, 1, 0);
        }
        double[] after = arrays.values("w");
        Arrays.setAll(after, i -> after[i] - before[i]);
        return after;
    }

    @ParameterizedTest
    @CsvSource({"0, false", "0.9, false", "0.9, true"})
    void sgdFollowsPyTorch(double momentum, boolean nesterov) {
        SgdSpec spec = new SgdSpec(momentum, nesterov, DECAY);
        follows(
                new TrainedArrays(manager, 10)
                        .matrix("q", 3, 4)
                        .matrix("experts", 3, 4, 5)
                        .vector("norm", 4),
                spec,
                Map.of(
                        "q", OptimizerReference.sgd(spec, 12),
                        "experts", OptimizerReference.sgd(spec, 60),
                        "norm", OptimizerReference.sgd(spec, 4)),
                Map.of("norm", 0.0));
    }
}
