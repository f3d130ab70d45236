package ai.molae.djl.moe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.core.Linear;
import ai.djl.training.ParameterStore;
import ai.molae.route.BalanceLoss;
import ai.molae.route.LoadStatistics;
import ai.molae.route.Routing;
import ai.molae.route.TopKRouter;
import ai.molae.spec.AuxLossScope;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is told of the routers of a step, and the losses themselves, against core in double precision. */
class RouterMonitorTest {

    private static final double AUX = 0.5;
    private static final double Z = 0.25;

    private NDManager manager;

    @BeforeEach
    void open() {
        manager = NDManager.newBaseManager();
    }

    @AfterEach
    void close() {
        manager.close();
    }

    /** The ways in which a layer trains. */
    enum Way {
        AUTOGRAD,
        TAPE,
        RECOMPUTING,
        ADAPTED,
        ADAPTED_RECOMPUTING,
        WITHOUT_AUX_OUTPUT
    }

    private MoeBlock block(MoeSpec spec, Way way) {
        MoeBlock block = RoutedPass.block(
                manager,
                MoeBlock.builder()
                        .setSpec(spec)
                        .optAuxOutput(way != Way.WITHOUT_AUX_OUTPUT)
                        .optRecompute(way == Way.RECOMPUTING || way == Way.ADAPTED_RECOMPUTING));
        if (way == Way.ADAPTED || way == Way.ADAPTED_RECOMPUTING) {
            block.addAdapters(List.of("down"), 2, 1);
        }
        return block;
    }

    private static MoeSpec spec(AuxLossScope scope, ScoreFunction function, double capacityFactor) {
        return RoutedPass.layer(RouterSpec.builder()
                .optAuxLossScope(scope)
                .optScoreFunction(function)
                .optCapacityFactor(capacityFactor)
                .optAuxLossCoef(AUX)
                .optZLossCoef(Z)
                .build());
    }

    private static List<RoutedPass> passes(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        return List.of(RoutedPass.draw(3, 5, random), RoutedPass.draw(1, 8, random), RoutedPass.draw(2, 4, random));
    }

    private static double balance(
            MoeSpec spec, RoutedPass pass, Routing routing, long[] loadBefore, long tokensBefore) {
        return switch (spec.router().auxLossScope()) {
            case LAYER, MODEL -> BalanceLoss.switchLoss(routing);
            case SEQUENCE -> RoutedPass.TOP_K * BalanceLoss.sequenceLoss(routing, pass.lengths());
            case GLOBAL -> BalanceLoss.globalLoss(routing, loadBefore, tokensBefore);
        };
    }

    /** The passes through core. */
    private static LayerRouting expected(MoeSpec spec, List<RoutedPass> passes) {
        long[] load = new long[RoutedPass.EXPERTS];
        long dropped = 0;
        long tokens = 0;
        double entropy = 0;
        double balance = 0;
        double z = 0;
        for (RoutedPass pass : passes) {
            Routing routing = pass.routing(spec);
            balance += pass.tokens() * balance(spec, pass, routing, load, tokens);
            entropy += pass.tokens() * routing.meanEntropy();
            z += pass.tokens() * BalanceLoss.zLoss(pass.realLogits());
            dropped += routing.dropped();
            tokens += pass.tokens();
            load = new LoadStatistics(load, 0)
                    .plus(new LoadStatistics(routing.tokensPerExpert(), 0))
                    .tokensPerExpert();
        }
        return new LayerRouting(0, new LoadStatistics(load, dropped), entropy / tokens, balance / tokens, z / tokens);
    }

    private static void assertRouted(LayerRouting actual, LayerRouting expected) {
        assertThat(actual.load()).isEqualTo(expected.load());
        assertThat(actual.entropy()).isCloseTo(expected.entropy(), within(1e-5));
        assertThat(actual.balanceLoss()).isCloseTo(expected.balanceLoss(), within(1e-5));
        assertThat(actual.zLoss()).isCloseTo(expected.zLoss(), within(1e-5));
    }

    @ParameterizedTest
    @EnumSource(AuxLossScope.class)
    void tellsOfEveryRouterWhatCoreComputes(AuxLossScope scope) {
        for (ScoreFunction function : ScoreFunction.values()) {
            for (double capacityFactor : new double[] {0.8, Double.POSITIVE_INFINITY}) {
                MoeSpec spec = spec(scope, function, capacityFactor);
                MoeBlock block = block(spec, Way.AUTOGRAD);
                List<RoutedPass> passes = passes(4);
                try (RouterMonitor monitor = new RouterMonitor()) {
                    passes.forEach(pass -> pass.train(block, manager, false));
                    LayerRouting expected = expected(spec, passes);
                    assertRouted(monitor.layers(List.of(block)).get(0), expected);
                    assertThat(expected.load().dropped() > 0).isEqualTo(capacityFactor < 1);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void countsEachPassOnceHoweverALayerTrains(Way way) {
        MoeSpec spec = spec(AuxLossScope.GLOBAL, ScoreFunction.SOFTMAX, 0.8);
        MoeBlock block = block(spec, way);
        List<RoutedPass> passes = passes(5);
        try (RouterMonitor monitor = new RouterMonitor()) {
            for (RoutedPass pass : passes) {
                if (way == Way.WITHOUT_AUX_OUTPUT) {
                    NDList inputs = new NDList(pass.x(manager), pass.mask(manager));
                    assertThat(block.forward(new ParameterStore(manager, false), inputs, true))
                            .hasSize(1);
                } else {
                    pass.train(block, manager, way != Way.AUTOGRAD);
                }
            }
            assertRouted(monitor.layers(List.of(block)).get(0), expected(spec, passes));
        }
    }

    @ParameterizedTest
    @EnumSource(value = Way.class, mode = EnumSource.Mode.EXCLUDE, names = "WITHOUT_AUX_OUTPUT")
    void lossAndGradientsAreCoresInEveryScope(Way way) {
        for (AuxLossScope scope : AuxLossScope.values()) {
            for (ScoreFunction function : ScoreFunction.values()) {
                MoeSpec spec = spec(scope, function, Double.POSITIVE_INFINITY);
                MoeBlock block = block(spec, way);
                long[] load = new long[RoutedPass.EXPERTS];
                long tokens = 0;
                try (RouterMonitor monitor = new RouterMonitor()) {
                    for (RoutedPass pass : passes(6)) {
                        RoutedPass.Result result = pass.train(block, manager, way != Way.AUTOGRAD);
                        Routing routing = pass.routing(spec);
                        double[][] logits = pass.realLogits();
                        assertThat(result.aux())
                                .as("%s %s", scope, function)
                                .isCloseTo(
                                        AUX * balance(spec, pass, routing, load, tokens)
                                                + Z * BalanceLoss.zLoss(logits),
                                        within(1e-5));
                        double[] z = LayerCase.flat(BalanceLoss.zLossGradient(logits));
                        double[] balance = LayerCase.flat(
                                switch (scope) {
                                    case LAYER, MODEL -> BalanceLoss.switchLossGradient(function, logits, routing);
                                    case SEQUENCE -> BalanceLoss.sequenceLossGradient(
                                            function, logits, routing, pass.lengths());
                                    case GLOBAL -> BalanceLoss.globalLossGradient(
                                            function, logits, routing, load, tokens);
                                });
                        double coefficient = scope == AuxLossScope.SEQUENCE ? AUX * RoutedPass.TOP_K : AUX;
                        double[] expected = new double[z.length];
                        Arrays.setAll(expected, i -> coefficient * balance[i] + Z * z[i]);
                        assertThat(result.gradient())
                                .as("%s %s", scope, function)
                                .containsExactly(expected, within(1e-6));
                        load = monitor.layers(List.of(block)).get(0).load().tokensPerExpert();
                        tokens += pass.tokens();
                    }
                }
            }
        }
    }

    /** Padding included: a sequence weighs its tokens, and one of padding alone weighs nothing. */
    @Test
    void passesThatWeighTheirTokensAddUpToTheStepForSequencesAndTheZLoss() {
        MoeSpec spec = spec(AuxLossScope.SEQUENCE, ScoreFunction.SOFTMAX, Double.POSITIVE_INFINITY);
        MoeBlock block = block(spec, Way.TAPE);
        RoutedPass step = RoutedPass.draw(4, 5, new SplittableRandom(7));
        RoutedPass.Result whole = step.train(block, manager, true);
        for (int sequences : new int[] {1, 2}) {
            double aux = 0;
            double[] gradient = new double[0];
            for (int from = 0; from < 4; from += sequences) {
                RoutedPass pass = step.part(from, from + sequences);
                RoutedPass.Result result = pass.train(block, manager, true);
                double weight = (double) pass.tokens() / step.tokens();
                aux += weight * result.aux();
                gradient = DoubleStream.concat(
                                Arrays.stream(gradient),
                                Arrays.stream(result.gradient()).map(g -> weight * g))
                        .toArray();
            }
            assertThat(aux).isCloseTo(whole.aux(), within(1e-6));
            assertThat(gradient).containsExactly(whole.gradient(), within(1e-7));
        }
    }

    @Test
    void withoutAMonitorEveryPassIsTheFirst() {
        RoutedPass pass = passes(8).get(0);
        MoeBlock global = block(spec(AuxLossScope.GLOBAL, ScoreFunction.SOFTMAX, 9), Way.TAPE);
        MoeBlock layer = block(spec(AuxLossScope.LAYER, ScoreFunction.SOFTMAX, 9), Way.TAPE);
        double expected = pass.train(layer, manager, true).aux();
        assertThat(pass.train(global, manager, true).aux()).isEqualTo(expected);
        assertThat(pass.train(global, manager, true).aux()).isEqualTo(expected);
        try (RouterMonitor monitor = new RouterMonitor()) {
            assertThat(pass.train(global, manager, true).aux()).isEqualTo(expected);
            RoutedPass other = passes(9).get(1);
            assertThat(other.train(global, manager, true).aux())
                    .isNotCloseTo(other.train(layer, manager, true).aux(), within(1e-4));
            assertThat(monitor.layers(List.of(global)).get(0).load().total())
                    .isEqualTo(2L * (pass.tokens() + other.tokens()));
        }
    }

    @Test
    void findsTheLayersInsideOtherBlocksAndLeavesOutWhatWasNotTrained() {
        MoeSpec spec = spec(AuxLossScope.LAYER, ScoreFunction.SOFTMAX, 2);
        MoeBlock trained = block(spec, Way.TAPE);
        MoeBlock idle = block(spec, Way.TAPE);
        AuxSequentialBlock chain = new AuxSequentialBlock();
        chain.add(Linear.builder().setUnits(2).build()).add(trained);
        RoutedPass pass = passes(1).get(0);
        try (RouterMonitor monitor = new RouterMonitor()) {
            trained.forward(new ParameterStore(manager, false), new NDList(pass.x(manager)), false);
            assertThat(monitor.layers(List.of(idle, chain))).isEmpty();
            pass.train(trained, manager, true);
            assertThat(monitor.layers(List.of(idle, chain))).singleElement().satisfies(routing -> {
                assertThat(routing.layer()).isEqualTo(1);
                assertThat(routing.load().total()).isEqualTo(2L * pass.tokens());
            });
        }
    }

    @Test
    void oneThreadHasOneMonitorAtATimeAndAClosedOneHearsNothing() {
        RoutedPass pass = passes(2).get(0);
        MoeBlock block = block(spec(AuxLossScope.LAYER, ScoreFunction.SOFTMAX, 2), Way.TAPE);
        try (RouterMonitor monitor = new RouterMonitor()) {
            assertThatIllegalStateException()
                    .isThrownBy(RouterMonitor::new)
                    .withMessageContaining("open on this thread already");
            monitor.close();
            pass.train(block, manager, true);
            assertThat(monitor.layers(List.of(block))).isEmpty();
        }
    }

    /** Experts that padding would fill: with capacity 1 for the 3 real tokens, none of them is pushed out by it. */
    @Test
    void paddingTakesNoPlaceInAnExpertAndVisitsNone() {
        MoeSpec spec =
                RoutedPass.layer(RouterSpec.builder().optCapacityFactor(1).build());
        double[][] logits = {
            {9, 8, 0, 0, 0, 0}, {9, 8, 0, 0, 0, 0}, {9, 8, 0, 0, 0, 0}, {0, 0, 9, 8, 0, 0}, {0, 0, 0, 0, 9, 8}
        };
        boolean[] real = {false, false, true, true, true};
        RoutedPass pass = new RoutedPass(1, 5, logits, real);
        Routing core = new TopKRouter(spec).route(logits, new double[0], real);
        assertThat(core.kept())
                .isDeepEqualTo(
                        new boolean[][] {{false, false}, {false, false}, {true, true}, {true, true}, {true, true}});
        assertThat(core.only(real).dropped()).isZero();

        MoeBlock block =
                RoutedPass.block(manager, MoeBlock.builder().setSpec(spec).optInitializerRange(0.5));
        try (RouterMonitor monitor = new RouterMonitor()) {
            float[] y = pass.train(block, manager, true).y();
            assertThat(monitor.layers(List.of(block)).get(0).load())
                    .isEqualTo(new LoadStatistics(new long[] {1, 1, 1, 1, 1, 1}, 0));
            assertThat(Arrays.copyOf(y, 12)).containsOnly(0);
            RoutedPass alone = new RoutedPass(1, 3, Arrays.copyOfRange(logits, 2, 5), new boolean[] {true, true, true});
            assertThat(Arrays.copyOfRange(y, 12, 30))
                    .containsExactly(alone.train(block, manager, true).y(), within(1e-6f))
                    .doesNotContain(0f);
        }
    }

    @Test
    void inferenceAndItsRecorderDoTheSameWithPadding() {
        MoeSpec spec = spec(AuxLossScope.LAYER, ScoreFunction.SIGMOID, 0.7);
        MoeBlock block = block(spec, Way.TAPE);
        RoutedPass pass = RoutedPass.draw(3, 6, new SplittableRandom(11));
        Routing core = pass.routing(spec);
        try (LoadRecorder recorder = new LoadRecorder()) {
            NDList inputs = new NDList(pass.x(manager), pass.mask(manager));
            float[] y = block.forward(new ParameterStore(manager, false), inputs, false)
                    .singletonOrThrow()
                    .toFloatArray();
            assertThat(recorder.load(block).orElseThrow())
                    .isEqualTo(new LoadStatistics(core.tokensPerExpert(), core.dropped()));
            assertThat(core.dropped()).isPositive();
            assertThat(y).containsExactly(pass.train(block, manager, true).y(), within(1e-6f));
        }
    }
}
