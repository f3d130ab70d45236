package ai.molae.djl.lm;

import ai.molae.route.BalanceLoss;
import ai.molae.route.Routing;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The auxiliary losses of a model in double precision, from the pieces of {@link BalanceLoss}; padding is left out token by token. */
final class ReferenceBalance {

    /** One layer: routing and router logits [T][N] of all tokens. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Layer(MoeSpec spec, Routing routing, double[][] logits) {}

    private final List<Layer> layers = new ArrayList<>();
    private final boolean[][] mask;

    /** Statistics of tokens [B][S], of which those without mask are padding. */
    ReferenceBalance(boolean[][] mask) {
        this.mask = mask;
    }

    void add(MoeSpec spec, Routing routing, double[][] logits) {
        layers.add(new Layer(spec, routing, logits));
    }

    /** All auxiliary losses with their coefficients; every layer has the same. */
    double loss() {
        if (layers.isEmpty()) {
            return 0;
        }
        MoeSpec spec = layers.get(0).spec();
        double balance = 0;
        switch (spec.router().auxLossScope()) {
            case LAYER, GLOBAL -> {
                for (Layer layer : layers) {
                    balance += BalanceLoss.switchLoss(only(layer.routing(), real()));
                }
            }
                // A token of each layer counts like a token of a batch.
            case MODEL -> balance = BalanceLoss.switchLoss(joined(
                    layers.stream().map(layer -> only(layer.routing(), real())).toList()));
            case SEQUENCE -> {
                for (Layer layer : layers) {
                    int[] lengths = IntStream.range(0, mask.length)
                            .map(b -> realOf(b).length)
                            .toArray();
                    // DeepSeek's coefficient is for a load divided by top-k.
                    balance += spec.topK() * BalanceLoss.sequenceLoss(only(layer.routing(), real()), lengths);
                }
            }
        }
        double z = 0;
        for (Layer layer : layers) {
            z += BalanceLoss.zLoss(
                    Arrays.stream(real()).mapToObj(t -> layer.logits()[t]).toArray(double[][]::new));
        }
        return spec.router().auxLossCoef() * balance + spec.router().zLossCoef() * z;
    }

    /** How many tokens that are no padding chose each expert of a layer. */
    long[] load(int layer) {
        return only(layers.get(layer).routing(), real()).tokensPerExpert();
    }

    private int[] real() {
        return IntStream.range(0, mask.length)
                .flatMap(b -> Arrays.stream(realOf(b)))
                .toArray();
    }

    private int[] realOf(int b) {
        int length = mask[b].length;
        return IntStream.range(0, length)
                .filter(s -> mask[b][s])
                .map(s -> b * length + s)
                .toArray();
    }

    private static Routing only(Routing routing, int[] tokens) {
        return new Routing(
                routing.numExperts(),
                Arrays.stream(tokens).mapToObj(t -> routing.experts()[t]).toArray(int[][]::new),
                Arrays.stream(tokens).mapToObj(t -> routing.weights()[t]).toArray(double[][]::new),
                Arrays.stream(tokens).mapToObj(t -> routing.kept()[t]).toArray(boolean[][]::new),
                Arrays.stream(tokens).mapToObj(t -> routing.probabilities()[t]).toArray(double[][]::new));
    }

    private static Routing joined(List<Routing> routings) {
        Stream<Routing> all = routings.stream();
        return all.reduce((a, b) -> new Routing(
                        a.numExperts(),
                        concatenated(a.experts(), b.experts()),
                        concatenated(a.weights(), b.weights()),
                        concatenated(a.kept(), b.kept()),
                        concatenated(a.probabilities(), b.probabilities())))
                .orElseThrow();
    }

    private static <T> T[] concatenated(T[] a, T[] b) {
        T[] y = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, y, a.length, b.length);
        return y;
    }
}
