package ai.molae.djl.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.route.BalanceLoss;
import ai.molae.route.LoadStatistics;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CorrectionBiasTest {

    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private static MoeSpec spec(boolean correctionBias) {
        return RoutedPass.layer(RouterSpec.builder()
                .optScoreFunction(ScoreFunction.SIGMOID)
                .optCorrectionBias(correctionBias)
                .build());
    }

    private MoeBlock block(boolean recompute) {
        return RoutedPass.block(manager, MoeBlock.builder().setSpec(spec(true)).optRecompute(recompute));
    }

    private static NDArray bias(MoeBlock block) {
        return block.getDirectParameters().get("e_score_correction_bias").getArray();
    }

    private static float[] updated(float[] bias, long[] load, double gamma) {
        double[] before = new double[bias.length];
        Arrays.setAll(before, i -> bias[i]);
        return LayerCase.floats(BalanceLoss.biasUpdate(before, load, gamma, true));
    }

    @Test
    void isCoresUpdateToTheLastBitTiesIncluded() {
        MoeBlock block = block(false);
        SplittableRandom random = new SplittableRandom(1);
        float[] expected = new float[RoutedPass.EXPERTS];
        NDArray array = bias(block);
        for (int step = 0; step < 50; step++) {
            long[] load = random.longs(RoutedPass.EXPERTS, 0, 4).toArray();
            double gamma = random.nextDouble(0.01);
            CorrectionBias.update(block, load, gamma);
            expected = updated(expected, load, gamma);
            assertThat(bias(block).toFloatArray()).containsExactly(expected);
        }
        assertThat(bias(block)).isSameAs(array);
        assertThat(array.hasGradient()).isFalse();
        float[] before = array.toFloatArray();
        CorrectionBias.update(block, new long[] {3, 3, 3, 3, 3, 3}, 0.1);
        assertThat(array.toFloatArray()).containsExactly(before);
        CorrectionBias.update(block, new long[] {2, 3, 3, 3, 3, 4}, 0.125);
        for (int i = 0; i < before.length; i++) {
            assertThat(array.toFloatArray()[i] - before[i])
                    .isCloseTo(i == 0 ? 0.125f : i == 5 ? -0.125f : 0, within(1e-6f));
        }
    }

    /** Over all passes; padding and passes that are computed twice count once or not at all. */
    @Test
    void readsTheLoadOfTheWholeStep() {
        MoeBlock with = block(true);
        MoeBlock without = RoutedPass.block(manager, MoeBlock.builder().setSpec(spec(false)));
        SplittableRandom random = new SplittableRandom(2);
        List<RoutedPass> passes = List.of(RoutedPass.draw(3, 4, random), RoutedPass.draw(2, 7, random));
        LoadStatistics load = new LoadStatistics(new long[RoutedPass.EXPERTS], 0);
        try (RouterMonitor monitor = new RouterMonitor()) {
            for (RoutedPass pass : passes) {
                pass.train(with, manager, true);
                pass.train(without, manager, true);
                load = load.plus(new LoadStatistics(pass.routing(spec(true)).tokensPerExpert(), 0));
            }
            monitor.close();
            assertThat(CorrectionBias.update(List.of(without, with), monitor, 0.01))
                    .isEqualTo(1);
        }
        assertThat(bias(with).toFloatArray())
                .containsExactly(updated(new float[RoutedPass.EXPERTS], load.tokensPerExpert(), 0.01));
    }

    @Test
    void balancesASkewedRouterOverTheSteps() {
        MoeBlock block = block(false);
        RoutedPass pass = RoutedPass.draw(4, 16, new SplittableRandom(3));
        double first = 0;
        double last = 0;
        for (int step = 0; step < 60; step++) {
            try (RouterMonitor monitor = new RouterMonitor()) {
                pass.train(block, manager, true);
                last = monitor.layers(List.of(block)).get(0).load().imbalance();
                first = step == 0 ? last : first;
                CorrectionBias.update(List.of(block), monitor, 0.01);
            }
        }
        assertThat(first).isGreaterThan(1.5);
        assertThat(last).isLessThan(1.25);
    }

    @Test
    void refusesLayersWithoutABiasAndLoadsOfOtherLayers() {
        MoeBlock without = RoutedPass.block(manager, MoeBlock.builder().setSpec(spec(false)));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CorrectionBias.update(without, new long[6], 0.01))
                .withMessageContaining("optCorrectionBias(true)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> CorrectionBias.update(block(false), new long[5], 0.01))
                .withMessageContainingAll("6", "5");
    }
}
