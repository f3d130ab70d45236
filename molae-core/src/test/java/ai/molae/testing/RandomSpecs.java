package ai.molae.testing;

import ai.molae.spec.Activation;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.GroupScore;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.molae.spec.SharedExpertSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Small random layers with parameters and tokens for fuzz tests, here and in other modules. Everything a
 * {@link MoeSpec} can be comes up within a few hundred draws, awkward cases oftener than by chance;
 * {@code RandomSpecsTest} lists them. One seed gives one layer:
 *
 * <pre>{@code
 * SplittableRandom random = new SplittableRandom(seed);
 * MoeSpec spec = RandomSpecs.next(random);
 * Map<String, double[]> parameters = RandomSpecs.randomParameters(spec, random);
 * double[][] xTn = RandomSpecs.randomTokens(spec, tokens, random);
 * }</pre>
 */
public final class RandomSpecs {

    private RandomSpecs() {}

    /**
     * Draws a layer with n from 2 to 24, m from 1 to 16, r from 1 to 12 and N from 1 to 12.
     *
     * @param random where to draw from
     * @return a valid spec
     */
    public static MoeSpec next(SplittableRandom random) {
        int numExperts = between(random, 1, 12);
        int topK = pick(random, 1, numExperts, between(random, 1, numExperts), between(random, 1, numExperts));
        boolean gated = random.nextInt(4) > 0;
        MoeSpec.Builder builder = MoeSpec.builder()
                .setHiddenSize(between(random, 2, 24))
                .setIntermediateSize(between(random, 1, 16))
                .setNumExperts(numExperts)
                .setTopK(topK)
                .optActivation(pick(random, Activation.values()))
                .optGated(gated)
                .optRouter(router(random, numExperts, topK));
        if (random.nextInt(4) > 0) {
            builder.optLatent(latent(random, numExperts, gated));
        }
        if (random.nextBoolean()) {
            builder.optSharedExpert(new SharedExpertSpec(between(random, 1, 16), random.nextBoolean()));
        }
        return builder.build();
    }

    private static RouterSpec router(SplittableRandom random, int numExperts, int topK) {
        ScoreFunction scoreFunction = pick(random, ScoreFunction.values());
        RouterSpec.Builder builder = RouterSpec.builder()
                .optScoreFunction(scoreFunction)
                .optNormTopkProb(random.nextBoolean())
                .optRoutedScalingFactor(pick(random, 1.0, 2.5))
                .optCapacityFactor(pick(random, 0.5, 1.0, 1.25, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY))
                .optAuxLossCoef(pick(random, 0.0, 0.01, 1.0))
                .optZLossCoef(pick(random, 0.0, 0.001, 0.1));
        if (scoreFunction != ScoreFunction.SOFTMAX_OVER_CHOSEN) {
            builder.optCorrectionBias(random.nextInt(scoreFunction == ScoreFunction.SIGMOID ? 3 : 6) < 2);
            if (random.nextInt(3) > 0) {
                int[] divisors = IntStream.rangeClosed(1, numExperts)
                        .filter(d -> numExperts % d == 0)
                        .toArray();
                int nGroup = divisors[random.nextInt(divisors.length)];
                int groupSize = numExperts / nGroup;
                int topkGroup = between(random, (topK + groupSize - 1) / groupSize, nGroup);
                boolean top2 = groupSize > 1 && random.nextBoolean();
                builder.optGroupLimit(nGroup, topkGroup, top2 ? GroupScore.TOP2_SUM : GroupScore.MAX);
            }
        }
        return builder.build();
    }

    private static LatentSpec latent(SplittableRandom random, int numExperts, boolean gated) {
        List<ExpertOperator> operators = new ArrayList<>(List.of(ExpertOperator.values()));
        operators.removeIf(operator -> operator == ExpertOperator.GATE && !gated);
        int subset = between(random, 1, (1 << operators.size()) - 1);
        Map<ExpertOperator, Integer> sizes = new TreeMap<>();
        for (int i = 0; i < operators.size(); i++) {
            if ((subset >> i & 1) == 1) {
                sizes.put(operators.get(i), between(random, 1, 12));
            }
        }
        boolean tied =
                sizes.containsKey(ExpertOperator.GATE) && sizes.containsKey(ExpertOperator.UP) && random.nextBoolean();
        if (tied) {
            sizes.put(ExpertOperator.GATE, sizes.get(ExpertOperator.UP));
        }
        Optional<ExpertGroups> groups =
                random.nextInt(3) == 0 ? Optional.of(partition(random, numExperts)) : Optional.empty();
        return new LatentSpec(sizes, tied, pick(random, numExperts, between(random, 1, numExperts)), groups);
    }

    /** Any partition: random groups, numbered without gaps. */
    private static ExpertGroups partition(SplittableRandom random, int numExperts) {
        Map<Integer, Integer> numbers = new TreeMap<>();
        List<Integer> groupOf = new ArrayList<>();
        int most = between(random, 1, numExperts);
        for (int i = 0; i < numExperts; i++) {
            int drawn = random.nextInt(most);
            numbers.putIfAbsent(drawn, 0);
            groupOf.add(drawn);
        }
        List<Integer> used = new ArrayList<>(numbers.keySet());
        groupOf.replaceAll(used::indexOf);
        return new ExpertGroups(groupOf);
    }

    /**
     * Draws parameters that keep activations of unit size: normal, with standard deviation 1/√(columns); the router's
     * twice that, so that scores differ, and the correction bias uniform in ±0.3.
     *
     * @param spec the layer
     * @param random where to draw from
     * @return flat row-major arrays under the names and in the order of {@link MoeSpec#parameters()}
     */
    public static Map<String, double[]> randomParameters(MoeSpec spec, SplittableRandom random) {
        Map<String, double[]> parameters = new LinkedHashMap<>();
        for (ParameterShape parameter : spec.parameters()) {
            double[] values = new double[Math.toIntExact(parameter.size())];
            List<Integer> shape = parameter.shape();
            double scale = (parameter.name().equals("router") ? 2 : 1) / Math.sqrt(shape.get(shape.size() - 1));
            for (int i = 0; i < values.length; i++) {
                values[i] = shape.size() == 1 ? random.nextDouble(-0.3, 0.3) : scale * random.nextGaussian();
            }
            parameters.put(parameter.name(), values);
        }
        return parameters;
    }

    /**
     * Draws standard normal tokens.
     *
     * @param spec the layer
     * @param tokens T
     * @param random where to draw from
     * @return {@code [T, n]}
     */
    public static double[][] randomTokens(MoeSpec spec, int tokens, SplittableRandom random) {
        double[][] xTn = new double[tokens][spec.hiddenSize()];
        for (double[] xn : xTn) {
            for (int j = 0; j < xn.length; j++) {
                xn[j] = random.nextGaussian();
            }
        }
        return xTn;
    }

    private static int between(SplittableRandom random, int least, int most) {
        return random.nextInt(least, most + 1);
    }

    @SafeVarargs
    private static <T> T pick(SplittableRandom random, T... values) {
        return values[random.nextInt(values.length)];
    }
}
