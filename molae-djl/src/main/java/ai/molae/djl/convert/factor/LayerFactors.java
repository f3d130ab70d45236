package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/**
 * The factors of a layer: its projections are held, the experts' own factors are computed when they are asked for, so that a layer need not stand in memory.
 */
public final class LayerFactors implements AutoCloseable {

    private final NDManager manager;
    private final MoeSpec spec;
    private final int heldDecoders;
    private final Map<Key, SharedProjection> projections = new HashMap<>();
    /** Those used last. */
    private final Map<Key, SharedProjection.Decoder> decoders = new LinkedHashMap<>(16, 0.75f, true);
    /** Of operators, by expert: {@code ‖X‖²}, {@code ‖X − A B‖²}, explained weighted error. */
    private final Map<ExpertOperator, double[][]> measured = new EnumMap<>(ExpertOperator.class);

    /** The operators that share a projection, by the first of them, and the group. */
    private record Key(ExpertOperator operator, int group) {}

    /**
     * What a layer is factored into, and how.
     *
     * @param spec the factored layer
     * @param metric the norm
     * @param rankReduction the paper's first step; 0 for the latent size of each operator, empty to skip it
     * @param scalarType as what the factors will be stored, so that own factors fit projections as rounded: 6 float32, 15 bfloat16, 5 float16
     * @param iterations what follows the closed form
     * @param heldDecoders for how many projections to keep what own factors are computed with, {@code n r + 2 r²} float64 numbers each
     */
    public record Problem(
            MoeSpec spec,
            Metric metric,
            OptionalInt rankReduction,
            int scalarType,
            Iterations iterations,
            int heldDecoders) {}

    /**
     * What follows the closed form of a projection; own factors are fitted to what comes of it.
     *
     * @param alternatingSweeps sweeps of {@link AlternatingLeastSquares}, where experts have weights of their own on the shared side
     * @param refinementSteps steps of {@link WeightRefinement}
     */
    public record Iterations(int alternatingSweeps, int refinementSteps) {

        /** The closed form alone. */
        public static final Iterations NONE = new Iterations(0, 0);
    }

    private LayerFactors(NDManager manager, Problem problem) {
        this.manager = manager;
        this.spec = problem.spec();
        this.heldDecoders = Math.max(1, problem.heldDecoders());
        for (ExpertOperator operator : spec.operators()) {
            if (spec.isFactored(operator)) {
                measured.put(operator, new double[spec.numExperts()][]);
            }
        }
    }

    /**
     * Finds all projections of a layer.
     *
     * @param manager will own them; its device computes
     * @param problem the problem
     * @param sources gives every task a source of its own
     * @param executor runs the tasks, one for every projection
     * @return the factors
     * @throws IllegalArgumentException if a latent size exceeds what the matrices can have, or a matrix has elements that are not finite
     */
    public static LayerFactors solve(
            NDManager manager, Problem problem, Supplier<ExpertSource> sources, Executor executor) {
        LayerFactors factors = new LayerFactors(manager, problem);
        checkRanks(problem.spec());
        List<Key> keys = factors.keys();
        List<SharedProjection> solved = all(
                keys,
                executor,
                key -> SharedProjection.solve(
                        manager,
                        factors.matrices(problem, sources.get(), key),
                        problem.spec().expertWidth(key.operator()),
                        problem.scalarType(),
                        problem.iterations()));
        ExpertSource source = sources.get();
        for (int i = 0; i < keys.size(); i++) {
            factors.projections.put(keys.get(i), solved.get(i).reading(source));
        }
        return factors;
    }

    /**
     * Refuses latent sizes that no matrix has the rank for.
     *
     * @param spec a factored layer
     * @throws IllegalArgumentException if there is one; the message has the numbers
     */
    public static void checkRanks(MoeSpec spec) {
        ExpertGroups groups = spec.expertGroups();
        LatentSpec latent = spec.latent().orElseThrow();
        int smallest = IntStream.of(groups.sizes()).min().orElse(0);
        latent.latentSizes().forEach((operator, r) -> {
            int matrices = latent.tiedGateUp() && operator != ExpertOperator.DOWN ? 2 : 1;
            long rank = Math.min(spec.hiddenSize(), (long) smallest * matrices * spec.intermediateSize());
            if (r > rank) {
                throw new IllegalArgumentException("the latent size of " + operator + " is " + r
                        + ", but the stacked matrices of a group of " + smallest + " experts of "
                        + spec.intermediateSize()
                        + " × " + spec.hiddenSize() + " have at most rank " + rank + "; choose at most that");
            }
        });
    }

    /**
     * The spectra of a layer, λ_1 ≥ λ_2 ≥ … of each group.
     *
     * @param manager owns what is computed meanwhile
     * @param problem of which latent sizes do not matter
     * @param sources gives every task a source of its own
     * @param executor runs the tasks, one for every spectrum
     * @return n eigenvalues for each group, by operator; of tied operators under the first
     * @throws IllegalArgumentException if a matrix has elements that are not finite
     */
    public static Map<ExpertOperator, List<double[]>> spectra(
            NDManager manager, Problem problem, Supplier<ExpertSource> sources, Executor executor) {
        try (LayerFactors factors = new LayerFactors(manager, problem)) {
            List<Key> keys = factors.keys();
            List<double[]> spectra = all(
                    keys,
                    executor,
                    key -> SharedProjection.spectrum(manager, factors.matrices(problem, sources.get(), key)));
            Map<ExpertOperator, List<double[]>> ofOperator = new EnumMap<>(ExpertOperator.class);
            for (int i = 0; i < keys.size(); i++) {
                ofOperator
                        .computeIfAbsent(keys.get(i).operator(), operator -> new ArrayList<>())
                        .add(spectra.get(i));
            }
            return ofOperator;
        }
    }

    /** Runs a task for each key, and gives their results in order. */
    private static <T> List<T> all(List<Key> keys, Executor executor, Function<Key, T> task) {
        List<CompletableFuture<T>> futures = keys.stream()
                .map(key -> CompletableFuture.supplyAsync(() -> task.apply(key), executor))
                .toList();
        try {
            // Waits for all of them, so that none works on what the caller closes.
            CompletableFuture.allOf(futures.toArray(CompletableFuture[]::new)).join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw e;
        }
        return futures.stream().map(CompletableFuture::join).toList();
    }

    private List<Key> keys() {
        List<Key> keys = new ArrayList<>();
        for (ExpertOperator operator : measured.keySet()) {
            if (shares(operator) == operator) {
                for (int group = 0; group < spec.expertGroups().numGroups(); group++) {
                    keys.add(new Key(operator, group));
                }
            }
        }
        return keys;
    }

    /** Whose projection an operator uses. */
    private ExpertOperator shares(ExpertOperator operator) {
        boolean tied = spec.latent().orElseThrow().tiedGateUp();
        return tied && operator == ExpertOperator.UP ? ExpertOperator.GATE : operator;
    }

    private GroupMatrices matrices(Problem problem, ExpertSource source, Key key) {
        List<ExpertOperator> operators = measured.keySet().stream()
                .filter(o -> shares(o) == key.operator())
                .toList();
        List<Integer> experts = IntStream.range(0, spec.numExperts())
                .filter(expert -> spec.expertGroups().groupOf(expert) == key.group())
                .boxed()
                .toList();
        OptionalInt reduction = problem.rankReduction();
        if (reduction.isPresent() && reduction.getAsInt() == 0) {
            reduction = OptionalInt.of(spec.expertWidth(key.operator()));
        }
        return new GroupMatrices(source, operators, experts, problem.metric(), reduction);
    }

    /**
     * The layer.
     *
     * @return its spec, with latent part
     */
    public MoeSpec spec() {
        return spec;
    }

    /**
     * A projection.
     *
     * @param manager will own the array
     * @param operator a factored operator
     * @param group the group
     * @return B {@code [r, n]} of gate or up, {@code [n, r]} of down, float32
     */
    public NDArray projection(NDManager manager, ExpertOperator operator, int group) {
        return stored(manager, find(key(operator, group)).projection(), operator);
    }

    /**
     * An expert's own factor, computed from its matrix.
     *
     * @param manager will own the array
     * @param operator a factored operator
     * @param expert i
     * @return A {@code [m, r]} of gate or up, {@code [r, m]} of down, float32
     */
    public NDArray own(NDManager manager, ExpertOperator operator, int expert) {
        Key key = key(operator, spec.expertGroups().groupOf(expert));
        SharedProjection shared = find(key);
        SharedProjection.Decoder decoder = decoder(key, shared);
        try (NDManager scope = manager.newSubManager()) {
            NDArray x = shared.matrices().read(scope, operator, expert);
            NDArray a = shared.own(decoder, x, operator, expert);
            Objects.requireNonNull(measured.get(operator))[expert] =
                    shared.errors(scope, decoder, x, a, operator, expert);
            return stored(manager, a, operator);
        }
    }

    private SharedProjection.Decoder decoder(Key key, SharedProjection shared) {
        SharedProjection.Decoder held = decoders.get(key);
        if (held == null) {
            while (decoders.size() >= heldDecoders) {
                Key oldest = decoders.keySet().iterator().next();
                Objects.requireNonNull(decoders.remove(oldest)).close();
            }
            held = shared.decoder(manager);
            decoders.put(key, held);
        }
        return held;
    }

    /** As the layer stores it: transposed for down. */
    private static NDArray stored(NDManager manager, NDArray factor, ExpertOperator operator) {
        try (NDManager scope = manager.newSubManager()) {
            NDArray single = factor.toType(DataType.FLOAT32, true);
            single.attach(scope);
            NDArray result =
                    operator == ExpertOperator.DOWN ? single.transpose().duplicate() : single;
            result.attach(manager);
            return result;
        }
    }

    private Key key(ExpertOperator operator, int group) {
        return new Key(shares(operator), group);
    }

    private SharedProjection find(Key key) {
        SharedProjection shared = projections.get(key);
        if (shared == null) {
            throw new IllegalArgumentException(
                    key.operator() + " of group " + key.group() + " is not factored; the layer is " + spec);
        }
        return shared;
    }

    /**
     * How far an operator's products are from its matrices, {@code sqrt(Σ ‖X − A B‖² / Σ ‖X‖²)}.
     *
     * @param operator a factored operator whose own factors have all been computed
     * @return the relative error
     */
    public double relativeError(ExpertOperator operator) {
        return ratio(sum(operator, 1), sum(operator, 0));
    }

    /**
     * The same in the norm of the metric.
     *
     * @param operator a factored operator whose own factors have all been computed
     * @return the relative error; of operators that are tied, that of both
     */
    public double weightedError(ExpertOperator operator) {
        double total = 0;
        for (int group = 0; group < spec.expertGroups().numGroups(); group++) {
            total += find(key(operator, group)).total();
        }
        double explained = measured.keySet().stream()
                .filter(other -> shares(other) == shares(operator))
                .mapToDouble(other -> sum(other, 2))
                .sum();
        return ratio(total - explained, total);
    }

    private double sum(ExpertOperator operator, int index) {
        double sum = 0;
        for (double[] numbers : Objects.requireNonNull(measured.get(operator), "not factored")) {
            if (numbers == null) {
                throw new IllegalStateException("own factors of " + operator + " have not all been computed");
            }
            sum += numbers[index];
        }
        return sum;
    }

    private static double ratio(double error, double total) {
        return total == 0 ? 0 : Math.sqrt(Math.max(0, error) / total);
    }

    @Override
    public void close() {
        decoders.values().forEach(SharedProjection.Decoder::close);
        decoders.clear();
        projections.values().forEach(SharedProjection::close);
        projections.clear();
    }
}
