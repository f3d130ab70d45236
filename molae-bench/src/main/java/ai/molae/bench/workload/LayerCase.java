package ai.molae.bench.workload;

import ai.molae.route.Routing;
import ai.molae.route.TopKRouter;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.ParameterShape;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A layer with weights and inputs, the same for every implementation: numbers come out of generators seeded by name and place, so that two
 * processes agree on them without a file.
 *
 * <p>The router's weights are unit vectors: expert i reads coordinate i. A token's first N coordinates are log popularity plus Gumbel noise, so its top K
 * are a draw without replacement by {@link ExpertLoad}'s popularity (the Gumbel-top-k trick); its other coordinates are normal. All other
 * weights are uniform with mean 0 and variance 1 / fan-in.
 *
 * <p>Each input is generated once, when it is first asked for, and kept as long as the case: those who fill a contender, count what it reads and check what
 * it computes share it. Not thread-safe.
 */
public final class LayerCase {

    private static final long SEED = 42;

    private final Shape shape;
    private final Scale scale;
    private final Variant variant;
    private final ExpertLoad load;
    private final int tokens;
    private final Map<Integer, float[]> inputs = new HashMap<>();

    /**
     * A case; nothing is generated yet.
     *
     * @param shape the model whose layer it is
     * @param scale its size
     * @param variant what is built
     * @param load how often experts are chosen
     * @param tokens rows T of an input
     * @throws IllegalArgumentException if there are none
     */
    public LayerCase(Shape shape, Scale scale, Variant variant, ExpertLoad load, int tokens) {
        if (tokens < 1) {
            throw new IllegalArgumentException("a batch has at least one token, got " + tokens);
        }
        this.shape = shape;
        this.scale = scale;
        this.variant = variant;
        this.load = load;
        this.tokens = tokens;
    }

    /**
     * What is built.
     *
     * @return the variant
     */
    public Variant variant() {
        return variant;
    }

    /**
     * Rows of an input.
     *
     * @return T
     */
    public int tokens() {
        return tokens;
    }

    /**
     * The layer.
     *
     * @return its spec
     */
    public MoeSpec spec() {
        return variant.of(shape.standard(scale));
    }

    /**
     * The numbers of a parameter at an index of its first dimension: an expert's matrix, or a row of a matrix.
     *
     * @param parameter one of {@link MoeSpec#parameters()}
     * @param index below the first dimension
     * @return a new array, row-major
     */
    public float[] slice(ParameterShape parameter, int index) {
        List<Integer> shape = parameter.shape();
        float[] numbers = new float[Math.toIntExact(parameter.size() / shape.get(0))];
        if (parameter.name().equals("router")) {
            numbers[index] = 1;
        } else if (!parameter.name().equals("e_score_correction_bias")) {
            SplittableRandom random =
                    new SplittableRandom(SEED + 31L * parameter.name().hashCode() + 1_000_003L * index);
            float range = (float) Math.sqrt(3.0 / shape.get(shape.size() - 1));
            for (int i = 0; i < numbers.length; i++) {
                numbers[i] = range * ((random.nextInt() >> 7) * 0x1p-24f);
            }
        }
        return numbers;
    }

    /**
     * An input.
     *
     * @param number its number; others hold other tokens
     * @return T · n numbers, row-major; the same array for everybody, not to be changed
     */
    public float[] input(int number) {
        return inputs.computeIfAbsent(number, this::generate);
    }

    private float[] generate(int number) {
        MoeSpec spec = spec();
        int n = spec.hiddenSize();
        int N = spec.numExperts();
        if (N > n) {
            throw new IllegalArgumentException(N + " experts need as many coordinates, hidden size is " + n);
        }
        List<Integer> experts = IntStream.range(0, N).boxed().collect(Collectors.toList());
        Collections.shuffle(experts, new Random(SEED));
        SplittableRandom random =
                new SplittableRandom(SEED * 1_000_003 + number); // Random takes seconds for long inputs
        float[] x = new float[tokens * n];
        for (int t = 0; t < tokens; t++) {
            for (int rank = 0; rank < N; rank++) {
                double gumbel = -Math.log(-Math.log(1 - random.nextDouble()));
                x[t * n + experts.get(rank)] = (float) (load.logPopularity(rank) + gumbel);
            }
            for (int i = N; i < n; i++) {
                x[t * n + i] = (float) random.nextGaussian();
            }
        }
        return x;
    }

    /**
     * What the router makes of an input in float64. Its weights being unit vectors, logits are coordinates.
     *
     * @param input as {@link #input} returns it
     * @return l {@code [T, N]}
     */
    public double[][] logits(float[] input) {
        MoeSpec spec = spec();
        double[][] logitsTN = new double[tokens][spec.numExperts()];
        for (int t = 0; t < tokens; t++) {
            for (int i = 0; i < spec.numExperts(); i++) {
                logitsTN[t][i] = input[t * spec.hiddenSize() + i];
            }
        }
        return logitsTN;
    }

    /**
     * The routing of an input in float64.
     *
     * @param input as {@link #input} returns it
     * @return which experts its tokens choose
     */
    public Routing routing(float[] input) {
        MoeSpec spec = spec();
        double[] bias = new double[spec.router().correctionBias() ? spec.numExperts() : 0];
        return new TopKRouter(spec).route(logits(input), bias);
    }

    @Override
    public String toString() {
        return "LayerCase[shape=" + shape + ", scale=" + scale + ", variant=" + variant + ", load=" + load + ", tokens="
                + tokens + "]";
    }
}
