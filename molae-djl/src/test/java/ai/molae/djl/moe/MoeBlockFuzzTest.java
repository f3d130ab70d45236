package ai.molae.djl.moe;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import ai.molae.djl.torch.Gemm;
import ai.molae.djl.torch.GemmKernel;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import ai.molae.reference.ReferenceMoe;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupScore;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.testing.RandomSpecs;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Random layers, forward and backward, against {@link ReferenceMoe}.
 *
 * <p>The measure is {@code max|a − b| / max(max|b|, floor)} over a tensor. For gradients the floor is 2 % of the largest gradient of any
 * tensor of the case: the router gradient of one normalised expert is 0, and what a float leaves of it is rounding of what cancelled.
 */
class MoeBlockFuzzTest {

    private static final int LAYERS = 420;
    private static final int[] TOKENS = {0, 1, 2, 3, 7, 33};
    private static final double GRADIENT_FLOOR = 0.02;

    private static final double FLOAT32_TOLERANCE = 1e-5;
    /**
     * 32 half-steps of bfloat16 (2⁻⁸ each) for any tensor. A value passes up to six roundings on its way to y (z, gate, up, h, p·h, output)
     * and as many on its way back, and a sum that cancels makes them larger relative to its result.
     */
    private static final double BFLOAT16_TOLERANCE = 32 * 0x1p-8;
    /** Most sums do not cancel: over all tensors the mean is about one half-step. */
    private static final double BFLOAT16_MEAN_TOLERANCE = 1.5 * 0x1p-8;

    /** Every way to train a layer. */
    enum Way {
        AUTOGRAD_MATMUL(GemmKernel.MATMUL, false, false),
        AUTOGRAD_ONEDNN(GemmKernel.ONEDNN, false, false),
        TAPE_MATMUL(GemmKernel.MATMUL, true, false),
        TAPE_ONEDNN(GemmKernel.ONEDNN, true, false),
        TAPE_RECOMPUTING(GemmKernel.ONEDNN, true, true);

        private final GemmKernel kernel;
        private final boolean tape;
        private final boolean recompute;

        Way(GemmKernel kernel, boolean tape, boolean recompute) {
            this.kernel = kernel;
            this.tape = tape;
            this.recompute = recompute;
        }

        Map<String, double[]> run(NDManager manager, LayerCase layer, Precision precision, Runnable between) {
            MoeBlock block = layer.block(
                    manager, MoeBlock.builder().optPrecision(precision).optRecompute(recompute));
            return layer.actual(manager, block, tape ? GradientTape::new : LayerCase::djlCollector, between);
        }
    }

    @AfterEach
    void measureAgain() {
        Gemm.use(Optional.empty());
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void equalsTheReferenceInFloat32(Way way) {
        Gemm.use(Optional.of(way.kernel));
        Set<String> seen = new TreeSet<>();
        for (int seed = 0; seed < LAYERS; seed++) {
            LayerCase layer = layer(seed, LayerCase.FLOAT32);
            try (NDManager manager = NDManager.newBaseManager()) {
                Map<String, double[]> actual = way.run(manager, layer, Precision.FLOAT32, () -> {});
                assertClose(seed, layer, actual, FLOAT32_TOLERANCE, name -> true);
            }
            cover(seen, layer);
        }
        assertThat(seen).containsAll(everything());
    }

    @ParameterizedTest
    @EnumSource(
            value = Way.class,
            names = {"AUTOGRAD_MATMUL", "TAPE_MATMUL", "TAPE_RECOMPUTING"})
    void equalsTheReferenceInBfloat16WithinItsRounding(Way way) {
        List<Double> errors = new ArrayList<>();
        for (int seed = 0; seed < LAYERS; seed++) {
            LayerCase layer = layer(seed, LayerCase.BFLOAT16);
            try (NDManager manager = NDManager.newBaseManager()) {
                Map<String, double[]> actual = way.run(manager, layer, Precision.BFLOAT16, () -> {});
                // ReLU's derivative jumps at 0, and a rounded z may put a pre-activation on its other side.
                boolean jumps = layer.spec().activation() == Activation.RELU
                        && layer.spec().latent().isPresent();
                errors.addAll(
                        assertClose(seed, layer, actual, BFLOAT16_TOLERANCE, name -> !(jumps && name.startsWith("d"))));
            }
        }
        assertThat(mean(errors)).isBetween(0x1p-10, BFLOAT16_MEAN_TOLERANCE);
    }

    /** Every way to store weights for inference. */
    enum Stored {
        FLOAT32_MATMUL(Precision.FLOAT32, GemmKernel.MATMUL, FLOAT32_TOLERANCE, FLOAT32_TOLERANCE),
        FLOAT32_ONEDNN(Precision.FLOAT32, GemmKernel.ONEDNN, FLOAT32_TOLERANCE, FLOAT32_TOLERANCE),
        BFLOAT16_MATMUL(Precision.BFLOAT16, GemmKernel.MATMUL, BFLOAT16_TOLERANCE, BFLOAT16_MEAN_TOLERANCE),
        BFLOAT16_ONEDNN(Precision.BFLOAT16, GemmKernel.ONEDNN, BFLOAT16_TOLERANCE, BFLOAT16_MEAN_TOLERANCE),
        // 11 bits of mantissa, of weights only
        FLOAT16_MATMUL(Precision.FLOAT16, GemmKernel.MATMUL, BFLOAT16_TOLERANCE / 8, BFLOAT16_MEAN_TOLERANCE / 8),
        FLOAT16_FBGEMM(Precision.FLOAT16, GemmKernel.FBGEMM, BFLOAT16_TOLERANCE / 8, BFLOAT16_MEAN_TOLERANCE / 8),
        // a step is 1/127 of the largest of a channel, and with FBGEMM of a token; rounding noise of a few per cent
        // where sums cancel
        INT8_MATMUL(Precision.INT8, GemmKernel.MATMUL, 0.2, 0.01),
        INT8_FBGEMM(Precision.INT8, GemmKernel.FBGEMM, 0.2, 0.02);

        private final Precision precision;
        private final GemmKernel kernel;
        private final double tolerance;
        private final double meanTolerance;

        Stored(Precision precision, GemmKernel kernel, double tolerance, double meanTolerance) {
            this.precision = precision;
            this.kernel = kernel;
            this.tolerance = tolerance;
            this.meanTolerance = meanTolerance;
        }
    }

    @ParameterizedTest
    @EnumSource(Stored.class)
    void preparedForInferenceEqualsTheReference(Stored stored) {
        Gemm.use(Optional.of(stored.kernel));
        List<Double> errors = new ArrayList<>();
        for (int seed = 0; seed < LAYERS; seed += 2) {
            LayerCase layer = layer(seed, LayerCase.BFLOAT16);
            try (NDManager manager = NDManager.newBaseManager()) {
                MoeBlock block = layer.block(manager, MoeBlock.builder());
                block.prepareForInference(stored.precision);
                errors.addAll(assertClose(
                        seed, layer, layer.inferred(manager, block), stored.tolerance, name -> name.equals("y")));
            }
        }
        assertThat(mean(errors)).isBetween(1e-8, stored.meanTolerance);
    }

    /** So many rows that experts' parts are filled up and cut. */
    @Test
    void manyTokensEqualTheReference() {
        for (int seed = 0; seed < 12; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            LayerCase drawn = LayerCase.draw(RandomSpecs.next(random), 301 + seed, random, LayerCase.FLOAT32);
            LayerCase layer = seed % 2 == 0 ? drawn : drawn.withEqualTokens();
            for (Way way : Way.values()) {
                Gemm.use(Optional.of(way.kernel));
                try (NDManager manager = NDManager.newBaseManager()) {
                    Map<String, double[]> actual = way.run(manager, layer, Precision.FLOAT32, () -> {});
                    assertClose(seed, layer, actual, FLOAT32_TOLERANCE, name -> true);
                    MoeBlock block = layer.block(manager, MoeBlock.builder());
                    block.prepareForInference(Precision.FLOAT32);
                    assertClose(
                            seed, layer, layer.inferred(manager, block), FLOAT32_TOLERANCE, name -> name.equals("y"));
                }
            }
        }
    }

    private static double mean(List<Double> errors) {
        return errors.stream().mapToDouble(e -> e).average().orElseThrow();
    }

    @Test
    void twinOfNDArraysEqualsTheReference() {
        for (int seed = 0; seed < LAYERS; seed += 3) {
            LayerCase layer = layer(seed, LayerCase.FLOAT32);
            try (NDManager manager = NDManager.newBaseManager()) {
                Map<String, double[]> actual = layer.twin(manager, () -> {});
                assertClose(seed, layer, actual, FLOAT32_TOLERANCE, name -> !name.equals("load"));
            }
        }
    }

    @Test
    void autogradKeepsWhatItNeedsAcrossAGarbageCollection() {
        for (int seed = 5; seed < LAYERS; seed += 20) {
            LayerCase layer = layer(seed, LayerCase.FLOAT32);
            try (NDManager manager = NDManager.newBaseManager()) {
                for (Way way : Way.values()) {
                    Gemm.use(Optional.of(way.kernel));
                    Map<String, double[]> actual =
                            way.run(manager, layer, Precision.FLOAT32, MoeBlockFuzzTest::overwriteFreedBuffers);
                    assertClose(seed, layer, actual, FLOAT32_TOLERANCE, name -> true);
                }
                Map<String, double[]> twin = layer.twin(manager, MoeBlockFuzzTest::overwriteFreedBuffers);
                assertClose(seed, layer, twin, FLOAT32_TOLERANCE, name -> !name.equals("load"));
            }
        }
    }

    private static void overwriteFreedBuffers() {
        System.gc();
        List<ByteBuffer> buffers = new ArrayList<>();
        for (int i = 0; i < 2000; i++) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(4 + 4 * (i % 300));
            while (buffer.hasRemaining()) {
                buffer.put((byte) 0x42);
            }
            buffers.add(buffer);
        }
        assertThat(buffers).hasSize(2000);
    }

    private static LayerCase layer(int seed, DoubleUnaryOperator round) {
        SplittableRandom random = new SplittableRandom(seed);
        MoeSpec spec = RandomSpecs.next(random);
        int tokens = TOKENS[seed % TOKENS.length];
        LayerCase layer = LayerCase.draw(spec, tokens, random, round);
        if (seed % 8 == 3) {
            return layer.withZeroRouter();
        }
        return seed % 8 == 5 && tokens > 0 ? layer.withEqualTokens() : layer;
    }

    /** Asserts and returns the errors other than 0. */
    private static List<Double> assertClose(
            int seed, LayerCase layer, Map<String, double[]> actual, double tolerance, Predicate<String> compared) {
        List<Double> errors = new ArrayList<>();
        Map<String, double[]> expected = layer.expected();
        double largestGradient = expected.entrySet().stream()
                .filter(entry -> entry.getKey().startsWith("d"))
                .mapToDouble(entry -> largest(entry.getValue()))
                .max()
                .orElse(0);
        expected.forEach((name, b) -> {
            if (!compared.test(name)) {
                return;
            }
            String what = name + " of seed " + seed + ", T = " + layer.xTn().length + ", " + layer.spec();
            double[] a = actual.get(name);
            if (layer.xTn().length == 0 && a == null) {
                return; // nothing depends on this parameter, so it has no gradient
            }
            assertThat(a).as(what).hasSameSizeAs(b);
            if (name.equals("load")) {
                assertThat(a).as(what).containsExactly(b);
                return;
            }
            double[] difference = new double[b.length];
            Arrays.setAll(difference, i -> Math.abs(a[i] - b[i]));
            double floor = name.startsWith("d") ? GRADIENT_FLOOR * largestGradient : 0;
            double scale = Math.max(largest(b), floor);
            double error = largest(difference);
            assertThat(error).as(what).isLessThanOrEqualTo(tolerance * scale);
            if (error > 0) {
                errors.add(error / scale);
            }
        });
        if (layer.spec().router().correctionBias()) {
            assertThat(actual).doesNotContainKey("d e_score_correction_bias");
        }
        return errors;
    }

    private static double largest(double[] values) {
        // not max(): it must not lose a NaN
        return Arrays.stream(values).map(Math::abs).reduce(0, Math::max);
    }

    // ---- what the fuzz must have met ----

    private static void cover(Set<String> seen, LayerCase layer) {
        MoeSpec spec = layer.spec();
        RouterSpec router = spec.router();
        ReferenceMoe.Forward forward = layer.reference();
        long[] load = forward.routing().tokensPerExpert();
        int tokens = layer.xTn().length;
        seen.add((spec.gated() ? "gated " : "ungated ") + spec.activation());
        seen.add(router.scoreFunction() + " norm " + router.normTopkProb());
        seen.add("bias " + router.correctionBias());
        seen.add("scaled " + (router.routedScalingFactor() != 1));
        if (router.topkGroup() < router.nGroup()) {
            seen.add("limited by " + router.groupScore());
        }
        seen.add("aux " + (router.auxLossCoef() > 0) + " z " + (router.zLossCoef() > 0));
        seen.add(factored(spec));
        spec.latent().ifPresent(latent -> {
            int[] sizes = spec.expertGroups().sizes();
            int least = Arrays.stream(sizes).min().orElseThrow();
            int most = Arrays.stream(sizes).max().orElseThrow();
            seen.add("tied " + latent.tiedGateUp());
            seen.add((latent.groups().isPresent() ? "explicit " : "contiguous ")
                    + (sizes.length == 1 ? "one" : least == most ? "even" : "ragged"));
            if (latent.groups().isPresent()
                    && !latent.groups().get().equals(ExpertGroups.contiguous(spec.numExperts(), sizes[0]))) {
                seen.add("scattered groups");
            }
        });
        seen.add(spec.sharedExpert()
                .map(shared -> (spec.gated() ? "gated" : "ungated") + " shared, sigmoid " + shared.sigmoidGated())
                .orElse("no shared"));
        if (tokens > 0 && spec.numExperts() > 1) {
            seen.add(spec.topK() == 1 ? "K = 1" : spec.topK() == spec.numExperts() ? "K = N" : "1 < K < N");
        }
        seen.add("T = " + tokens);
        if (forward.routing().dropped() > 0) {
            seen.add("dropped");
        }
        if (tokens > 1 && spec.numExperts() > 1 && Arrays.stream(load).anyMatch(n -> n == 0)) {
            seen.add("idle experts");
        }
        if (tokens > 1
                && spec.numExperts() > 2
                && Arrays.stream(load).anyMatch(n -> n == (long) tokens * spec.topK())) {
            seen.add("one expert takes all");
        }
    }

    private static String factored(MoeSpec spec) {
        StringBuilder name = new StringBuilder(spec.gated() ? "gated, factored" : "ungated, factored");
        for (ExpertOperator operator : spec.operators()) {
            if (spec.isFactored(operator)) {
                name.append(' ').append(operator);
            }
        }
        return name.toString();
    }

    private static Set<String> everything() {
        Set<String> wanted = new TreeSet<>();
        for (String gated : new String[] {"gated ", "ungated "}) {
            for (Activation activation : Activation.values()) {
                wanted.add(gated + activation);
            }
        }
        for (boolean flag : new boolean[] {false, true}) {
            for (ScoreFunction function : ScoreFunction.values()) {
                wanted.add(function + " norm " + flag);
            }
            wanted.add("bias " + flag);
            wanted.add("scaled " + flag);
            wanted.add("tied " + flag);
            wanted.add("aux " + flag + " z false");
            wanted.add("aux " + flag + " z true");
            wanted.add("gated shared, sigmoid " + flag);
            wanted.add("ungated shared, sigmoid " + flag);
        }
        for (GroupScore score : GroupScore.values()) {
            wanted.add("limited by " + score);
        }
        for (String operators : new String[] {"", " GATE", " UP", " DOWN", " GATE UP", " GATE DOWN", " UP DOWN"}) {
            wanted.add("gated, factored" + operators);
        }
        for (String operators : new String[] {"", " UP", " DOWN", " UP DOWN"}) {
            wanted.add("ungated, factored" + operators);
        }
        wanted.add("gated, factored GATE UP DOWN");
        for (int tokens : TOKENS) {
            wanted.add("T = " + tokens);
        }
        wanted.addAll(Set.of("contiguous one", "contiguous even", "contiguous ragged"));
        wanted.addAll(Set.of("explicit one", "explicit even", "explicit ragged", "scattered groups", "no shared"));
        wanted.addAll(Set.of("K = 1", "K = N", "1 < K < N", "dropped", "idle experts", "one expert takes all"));
        return wanted;
    }
}
