package ai.molae.reference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.molae.reference.ReferenceMoe.Forward;
import ai.molae.reference.ReferenceMoe.Gradients;
import ai.molae.route.BalanceLoss;
import ai.molae.spec.Activation;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import ai.molae.testing.RandomSpecs;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class ReferenceMoeTest {

    /** n = 1, m = 1, N = 2, K = 1, ReLU: every number can be followed by hand. */
    private static final MoeSpec TINY = MoeSpec.builder()
            .setHiddenSize(1)
            .setIntermediateSize(1)
            .setNumExperts(2)
            .setTopK(1)
            .optActivation(Activation.RELU)
            .optRouter(RouterSpec.builder().optNormTopkProb(false).build())
            .build();

    @Test
    void evaluatesTheFormulaOfTheStandardLayer() {
        // x = 2: logits ln 3 and 0, so expert 0 with p = 3/4; E_0 = 7 · relu(3·2) · (5·2) = 420
        Map<String, double[]> parameters = Map.of(
                "router", new double[] {Math.log(3) / 2, 0},
                "gate_up", new double[] {3, 5, 100, 100},
                "down", new double[] {7, 100});
        Forward forward = new ReferenceMoe(TINY, parameters).forward(new double[][] {{2}});
        assertThat(forward.y()[0][0]).isCloseTo(315, within(1e-12));
        assertThat(forward.routing().experts()).isDeepEqualTo(new int[][] {{0}});
        assertThat(forward.auxLoss()).isZero();
    }

    @Test
    void evaluatesTheFormulaOfUngatedExpertsWithAGatedSharedOne() {
        MoeSpec spec = TINY.toBuilder()
                .optGated(false)
                .optActivation(Activation.RELU_SQUARED)
                .optSharedExpert(new SharedExpertSpec(1, true))
                .build();
        // routed 3/4 · 7 · (5·2)² = 525; shared sigmoid(ln 4) = 4/5 of 11 · (0.5·2)² = 11
        Map<String, double[]> parameters = Map.of(
                "router", new double[] {Math.log(3) / 2, 0},
                "up", new double[] {5, 100},
                "down", new double[] {7, 100},
                "shared_up", new double[] {0.5},
                "shared_down", new double[] {11},
                "shared_gate", new double[] {Math.log(4) / 2});
        assertThat(new ReferenceMoe(spec, parameters)
                        .forward(new double[][] {{2}})
                        .y()[0][0])
                .isCloseTo(525 + 0.8 * 11, within(1e-12));
    }

    @Test
    void evaluatesTheFormulaOfTheLatentLayer() {
        MoeSpec spec = TINY.withLatent(
                LatentSpec.builder().setLatentSize(1).setGroupSize(2).build());
        // gate: A 3 · B 0.5, up: A 5 · B −1, down: B 2 · A 7; x = 2
        Map<String, double[]> parameters = Map.of(
                "router", new double[] {Math.log(3) / 2, 0},
                "latent_in", new double[] {0.5, -1},
                "gate", new double[] {3, 100},
                "up", new double[] {5, 100},
                "down", new double[] {7, 100},
                "latent_out", new double[] {2});
        assertThat(new ReferenceMoe(spec, parameters)
                        .forward(new double[][] {{2}})
                        .y()[0][0])
                .isCloseTo(0.75 * 2 * 7 * (3 * 0.5 * 2) * (5 * -1 * 2), within(1e-12));
    }

    @Test
    void differentiatesTheTinyLayerAsByHand() {
        Map<String, double[]> parameters = Map.of(
                "router", new double[] {Math.log(3) / 2, 0},
                "gate_up", new double[] {3, 5, 100, 100},
                "down", new double[] {7, 100});
        Gradients gradients =
                new ReferenceMoe(TINY, parameters).backward(new double[][] {{2}}, new double[][] {{1}}, 1);
        // y = p · down · (gate·x) · (up·x) with p = softmax, dp/dl_0 = 3/16 and E = 420
        assertThat(gradients.parameters().get("down")).containsExactly(new double[] {45, 0}, within(1e-12));
        assertThat(gradients.parameters().get("gate_up"))
                .containsExactly(new double[] {0.75 * 7 * 2 * 10, 0.75 * 7 * 2 * 6, 0, 0}, within(1e-12));
        assertThat(gradients.parameters().get("router"))
                .containsExactly(new double[] {3. / 16 * 420 * 2, -3. / 16 * 420 * 2}, within(1e-11));
        // 2·315/2 through the expert, 3/16 · 420 · ln(3)/2 through the router
        assertThat(gradients.x()[0][0]).isCloseTo(315 + 3. / 16 * 420 * Math.log(3) / 2, within(1e-11));
    }

    @Test
    void agreesWithMaterialisedMatricesOnRandomLayers() {
        for (int seed = 0; seed < 400; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            MoeSpec spec = RandomSpecs.next(random);
            Map<String, double[]> parameters = RandomSpecs.randomParameters(spec, random);
            double[][] xTn = RandomSpecs.randomTokens(spec, seed % 8, random);
            Forward forward = new ReferenceMoe(spec, parameters).forward(xTn);
            assertClose(
                    "seed " + seed + ", " + spec,
                    forward.y(),
                    MaterialisedMoe.forward(spec, parameters, xTn, forward.routing()));
        }
    }

    @Test
    void auxiliaryLossIsTheWeightedSumOfSwitchAndZLoss() {
        RouterSpec router =
                RouterSpec.builder().optAuxLossCoef(0.5).optZLossCoef(0.25).build();
        MoeSpec spec = TINY.toBuilder().optRouter(router).build();
        double[][] xTn = {{1}, {-2}, {0.5}};
        Map<String, double[]> parameters = Map.of(
                "router", new double[] {1, -1},
                "gate_up", new double[4],
                "down", new double[2]);
        double[][] logitsTN = {{1, -1}, {-2, 2}, {0.5, -0.5}};
        Forward forward = new ReferenceMoe(spec, parameters).forward(xTn);
        assertThat(forward.auxLoss())
                .isCloseTo(
                        0.5 * BalanceLoss.switchLoss(forward.routing()) + 0.25 * BalanceLoss.zLoss(logitsTN),
                        within(1e-15));
    }

    @Test
    void droppedTokensContributeNothing() {
        // three equal tokens, one slot each, capacity ceil(0.5·3·1/2) = 1: only the first is served
        RouterSpec router = RouterSpec.builder().optCapacityFactor(0.5).build();
        MoeSpec spec = TINY.toBuilder().optRouter(router).build();
        Map<String, double[]> parameters = Map.of(
                "router", new double[] {1, 0}, "gate_up", new double[] {3, 5, 1, 1}, "down", new double[] {7, 1});
        ReferenceMoe moe = new ReferenceMoe(spec, parameters);
        double[][] xTn = {{1}, {1}, {1}};
        assertThat(moe.forward(xTn).y()).isDeepEqualTo(new double[][] {{105}, {0}, {0}});
        Gradients gradients = moe.backward(xTn, new double[][] {{1}, {1}, {1}}, 1);
        assertThat(gradients.parameters().get("down")).containsExactly(15, 0);
        assertThat(gradients.x()[1]).containsExactly(0);
    }

    @Test
    void noTokensGiveNoOutputAndZeroGradients() {
        SplittableRandom random = new SplittableRandom(3);
        for (int draw = 0; draw < 50; draw++) {
            MoeSpec spec = RandomSpecs.next(random);
            ReferenceMoe moe = new ReferenceMoe(spec, RandomSpecs.randomParameters(spec, random));
            assertThat(moe.forward(new double[0][]).y()).isEmpty();
            assertThat(moe.forward(new double[0][]).auxLoss()).isZero();
            Gradients gradients = moe.backward(new double[0][], new double[0][], 1);
            assertThat(gradients.x()).isEmpty();
            gradients.parameters().values().forEach(g -> assertThat(g).containsOnly(0));
        }
    }

    @Test
    void gradientsHaveTheOrderOfTheSpecAndLeaveTheCorrectionBiasOut() {
        MoeSpec spec = TINY.toBuilder()
                .optRouter(RouterSpec.builder()
                        .optScoreFunction(ScoreFunction.SIGMOID)
                        .optCorrectionBias(true)
                        .build())
                .optSharedExpert(SharedExpertSpec.of(3))
                .build()
                .withLatent(
                        LatentSpec.builder().setLatentSize(1).setGroupSize(1).build());
        Map<String, double[]> parameters = RandomSpecs.randomParameters(spec, new SplittableRandom(4));
        assertThat(new ReferenceMoe(spec, parameters)
                        .backward(new double[][] {{1}}, new double[][] {{1}}, 1)
                        .parameters()
                        .keySet())
                .containsExactly(
                        "router", "latent_in", "gate", "up", "down", "latent_out", "shared_gate_up", "shared_down");
    }

    @Test
    void namesEveryFaultOfTheParametersAtOnce() {
        Map<String, double[]> parameters =
                Map.of("router", new double[3], "down", new double[2], "bias", new double[1]);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new ReferenceMoe(TINY, parameters))
                .withMessage("parameters do not fit the spec: router has 3 values, expected 2 = [2, 1]; "
                        + "missing gate_up [2, 2, 1]; unexpected bias");
    }

    @Test
    void rejectsTokensAndGradientsOfTheWrongShape() {
        ReferenceMoe moe = new ReferenceMoe(TINY, RandomSpecs.randomParameters(TINY, new SplittableRandom(5)));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> moe.forward(new double[][] {{1}, {1, 2}}))
                .withMessage("x of token 1 has width 2, expected hiddenSize = 1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> moe.backward(new double[][] {{1}}, new double[0][], 1))
                .withMessage("gradY has 0 rows, x has 1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> moe.forward(new double[][] {{1}, {Double.NaN}}))
                .withMessageContaining("token 1 for expert 0 is NaN");
    }

    // ---- what makes MoLAE MoLAE ----

    private static final MoeSpec STANDARD = MoeSpec.builder()
            .setHiddenSize(6)
            .setIntermediateSize(4)
            .setNumExperts(6)
            .setTopK(3)
            .build();

    @Test
    void withIdentityProjectionsOfFullRankItIsTheStandardLayer() {
        SplittableRandom random = new SplittableRandom(6);
        Map<String, double[]> standard = RandomSpecs.randomParameters(STANDARD, random);
        double[][] xTn = RandomSpecs.randomTokens(STANDARD, 5, random);
        for (boolean tied : new boolean[] {true, false}) {
            MoeSpec molae = STANDARD.withLatent(LatentSpec.builder()
                    .setLatentSize(6)
                    .setGroupSize(3)
                    .optTiedGateUp(tied)
                    .build());
            Map<String, double[]> parameters = new LinkedHashMap<>(standard);
            double[] identity = new double[36];
            for (int j = 0; j < 6; j++) {
                identity[j * 7] = 1;
            }
            parameters.put("latent_in", tied ? repeat(identity, 2) : repeat(identity, 4));
            parameters.put("latent_out", repeat(identity, 2));
            if (!tied) {
                double[] gateUp = parameters.remove("gate_up");
                parameters.put("gate", everySecondBlock(gateUp, 24, 0));
                parameters.put("up", everySecondBlock(gateUp, 24, 1));
            }
            double[][] expected =
                    new ReferenceMoe(STANDARD, standard).forward(xTn).y();
            assertClose(
                    "tied " + tied,
                    new ReferenceMoe(molae, parameters).forward(xTn).y(),
                    expected);
        }
    }

    @Test
    void invertibleChangesOfTheLatentBasisLeaveTheLayerUnchanged() {
        SplittableRandom random = new SplittableRandom(7);
        int r = 3;
        int n = 6;
        MoeSpec spec = STANDARD.withLatent(LatentSpec.builder()
                .setLatentSize(r)
                .setGroupSize(4)
                .optTiedGateUp(true)
                .build());
        Map<String, double[]> parameters = RandomSpecs.randomParameters(spec, random);
        double[][] xTn = RandomSpecs.randomTokens(spec, 5, random);
        Map<String, double[]> changed = new LinkedHashMap<>(parameters);
        // (A, B) → (A Q, Q⁻¹ B) for gate and up, (B, A) → (B Q, Q⁻¹ A) for down; Q of determinant 2·1·3
        double[][] q = {{2, 1, -1}, {0, 1, 4}, {0, 0, 3}};
        double[][] inverse = {{0.5, -0.5, 5. / 6}, {0, 1, -4. / 3}, {0, 0, 1. / 3}};
        changed.put("gate_up", timesRight(parameters.get("gate_up"), q));
        changed.put("latent_in", timesLeft(inverse, parameters.get("latent_in"), n));
        changed.put("latent_out", timesRight(parameters.get("latent_out"), q));
        changed.put("down", timesLeft(inverse, parameters.get("down"), spec.intermediateSize()));
        ReferenceMoe before = new ReferenceMoe(spec, parameters);
        ReferenceMoe after = new ReferenceMoe(spec, changed);
        assertClose("y", after.forward(xTn).y(), before.forward(xTn).y());
        assertClose(
                "gradX",
                after.backward(xTn, xTn, 0).x(),
                before.backward(xTn, xTn, 0).x());
    }

    @Test
    void oneTiedGroupWithEverythingFactoredIsLatentMoe() {
        // arXiv 2601.18089: z = W_in x, u = Σ p FC2_e(act(FC1_e z)), y = W_out u
        SplittableRandom random = new SplittableRandom(8);
        MoeSpec spec = STANDARD.toBuilder()
                .optGated(false)
                .optActivation(Activation.RELU_SQUARED)
                .optLatent(LatentSpec.builder()
                        .setLatentSize(3)
                        .setGroupSize(6)
                        .optFactored(ExpertOperator.UP, ExpertOperator.DOWN)
                        .build())
                .build();
        Map<String, double[]> parameters = RandomSpecs.randomParameters(spec, random);
        double[][] xTn = RandomSpecs.randomTokens(spec, 4, random);
        Forward forward = new ReferenceMoe(spec, parameters).forward(xTn);
        double[][] expected = new double[4][];
        for (int t = 0; t < 4; t++) {
            double[] z = new Matrix(parameters.get("latent_in"), 0, 3, 6).times(xTn[t]);
            double[] u = new double[3];
            for (int slot = 0; slot < 3; slot++) {
                int e = forward.routing().experts()[t][slot];
                double[] h = new Matrix(parameters.get("up"), e * 12, 4, 3).times(z);
                h = Arrays.stream(h).map(v -> v > 0 ? v * v : 0).toArray();
                double[] fc2 = new Matrix(parameters.get("down"), e * 12, 3, 4).times(h);
                Matrix.addScaled(forward.routing().weights()[t][slot], fc2, u);
            }
            expected[t] = new Matrix(parameters.get("latent_out"), 0, 6, 3).times(u);
        }
        assertClose("y", forward.y(), expected);
    }

    @Test
    void seesChangesOfTheParametersItHolds() {
        Map<String, double[]> parameters = RandomSpecs.randomParameters(STANDARD, new SplittableRandom(9));
        ReferenceMoe moe = new ReferenceMoe(STANDARD, parameters);
        Arrays.fill(parameters.get("down"), 0);
        assertThat(moe.forward(new double[][] {{1, 2, 3, 4, 5, 6}}).y()[0]).containsOnly(0);
    }

    private static double[] repeat(double[] block, int times) {
        double[] repeated = new double[block.length * times];
        for (int i = 0; i < repeated.length; i++) {
            repeated[i] = block[i % block.length];
        }
        return repeated;
    }

    private static double[] everySecondBlock(double[] values, int block, int first) {
        double[] blocks = new double[values.length / 2];
        for (int i = 0; i < blocks.length; i++) {
            blocks[i] = values[(i / block * 2 + first) * block + i % block];
        }
        return blocks;
    }

    /** A Q for a stack of matrices A with as many columns as Q has rows. */
    private static double[] timesRight(double[] stack, double[][] q) {
        int r = q.length;
        double[] product = new double[stack.length];
        for (int i = 0; i < stack.length; i++) {
            for (int k = 0; k < r; k++) {
                product[i] += stack[i / r * r + k] * q[k][i % r];
            }
        }
        return product;
    }

    /** Q B for a stack of matrices B with {@code columns} columns and as many rows as Q has columns. */
    private static double[] timesLeft(double[][] q, double[] stack, int columns) {
        int r = q.length;
        double[] product = new double[stack.length];
        for (int i = 0; i < stack.length; i++) {
            int row = i / columns % r;
            int first = (i / columns - row) * columns + i % columns;
            for (int k = 0; k < r; k++) {
                product[i] += q[row][k] * stack[first + k * columns];
            }
        }
        return product;
    }

    private static void assertClose(String name, double[][] actual, double[][] expected) {
        assertThat(actual).as(name).hasNumberOfRows(expected.length);
        for (int t = 0; t < actual.length; t++) {
            assertThat(actual[t]).as(name + ", token " + t).hasSameSizeAs(expected[t]);
            for (int j = 0; j < actual[t].length; j++) {
                double scale = Math.max(1, Math.abs(expected[t][j]));
                assertThat(actual[t][j])
                        .as("%s, token %d, column %d", name, t, j)
                        .isCloseTo(expected[t][j], within(1e-11 * scale));
            }
        }
    }
}
