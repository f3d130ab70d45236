package ai.molae.djl.convert;

import ai.djl.ndarray.NDManager;
import ai.molae.cost.UniformRouting;
import ai.molae.djl.convert.calibrate.LayerMoments;
import ai.molae.djl.convert.factor.ExpertClusters;
import ai.molae.djl.convert.factor.ExpertSource;
import ai.molae.djl.convert.factor.Metric;
import ai.molae.djl.convert.factor.RankAllocation;
import ai.molae.djl.convert.factor.SubspaceOverlap;
import ai.molae.spec.ExpertGroups;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.LatentSpec;
import ai.molae.spec.MoeSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** Decides which experts of a layer share, and how wide its latent spaces become. */
final class LayerPlanner {

    /** Directions of an expert that are compared; more of them tell little more and cost their square. */
    private static final int COMPARED_DIRECTIONS = 64;

    private final ConversionMethod method;

    LayerPlanner(ConversionMethod method) {
        this.method = method;
    }

    /** The operators of a layer that the method factors. */
    List<ExpertOperator> operators(MoeSpec moe) {
        List<ExpertOperator> operators =
                moe.operators().stream().filter(method.operators()::contains).toList();
        if (operators.isEmpty()) {
            throw new IllegalArgumentException(
                    "the method factors " + method.operators() + ", but the experts have only " + moe.operators());
        }
        return operators;
    }

    /** Who shares with whom. */
    ExpertGroups groups(ExpertSource source, Metric metric, Optional<LayerMoments> moments) {
        MoeSpec moe = source.spec();
        GroupPolicy policy = method.groups();
        int size = policy.groupSize() == 0 ? moe.numExperts() : Math.min(policy.groupSize(), moe.numExperts());
        if (policy.kind() == GroupPolicy.Kind.CONTIGUOUS || size == moe.numExperts() || size == 1) {
            return ExpertGroups.contiguous(moe.numExperts(), size);
        }
        double[][] affinity;
        if (policy.kind() == GroupPolicy.Kind.CO_ACTIVATION) {
            affinity = doubles(moments.orElseThrow().statistics().coActivation());
        } else {
            try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                affinity = SubspaceOverlap.of(manager, source, Set.copyOf(operators(moe)), metric, COMPARED_DIRECTIONS);
            }
        }
        return policy.equalSizes()
                ? ExpertClusters.equal(affinity, size)
                : ExpertClusters.linked(affinity, (moe.numExperts() + size - 1) / size);
    }

    private static double[][] doubles(long[][] counts) {
        double[][] values = new double[counts.length][];
        for (int i = 0; i < counts.length; i++) {
            values[i] = Arrays.stream(counts[i]).asDoubleStream().toArray();
        }
        return values;
    }

    /** The latent part that follows from groups and sizes; consecutive equal groups are written as their size. */
    private LatentSpec latent(ExpertGroups groups, Map<ExpertOperator, Integer> sizes) {
        LatentSpec.Builder builder = LatentSpec.builder();
        sizes.forEach(builder::optLatentSize);
        int k = groups.sizes()[0];
        if (groups.equals(ExpertGroups.contiguous(groups.numExperts(), k))) {
            builder.setGroupSize(k);
        } else {
            builder.setGroups(groups);
        }
        return builder.optTiedGateUp(isTied(sizes.keySet())).build();
    }

    /** Whether gate and up share a projection where these operators are factored. */
    boolean isTied(Collection<ExpertOperator> operators) {
        return method.tiedGateUp() && operators.contains(ExpertOperator.GATE) && operators.contains(ExpertOperator.UP);
    }

    /** The latent part of a layer when it does not depend on other layers. */
    LatentSpec latent(MoeSpec moe, ExpertGroups groups) {
        List<ExpertOperator> operators = operators(moe);
        Map<ExpertOperator, Integer> sizes = new EnumMap<>(ExpertOperator.class);
        if (method.ranks() instanceof RankPolicy.Fixed fixed) {
            for (ExpertOperator operator : operators) {
                Integer size = fixed.latentSizes().get(operator);
                if (size == null) {
                    throw new IllegalArgumentException("no latent size for " + operator + "; given are "
                            + fixed.latentSizes() + ", factored are " + operators);
                }
                sizes.put(operator, size);
            }
        } else {
            double ratio = ((RankPolicy.Uniform) method.ranks()).ratio();
            int r = uniform(moe, groups, operators, ratio);
            operators.forEach(operator -> sizes.put(operator, r));
        }
        return latent(groups, sizes);
    }

    private int uniform(MoeSpec moe, ExpertGroups groups, List<ExpertOperator> operators, double ratio) {
        double matrix = (double) moe.numExperts() * moe.intermediateSize() * moe.hiddenSize();
        double all = matrix * moe.operators().size();
        double dense = matrix * (moe.operators().size() - operators.size());
        double perRank = costPerRank(moe, groups, operators);
        int r = (int) Math.floor((ratio * all - dense) / perRank * (1 + 1e-12));
        if (r < 1) {
            throw new IllegalArgumentException(String.format(
                    Locale.ROOT,
                    "a ratio of %.3f leaves no latent space: what is not factored takes %.3f of the experts' parameters, and every dimension of"
                            + " %s in %d groups %.5f; allow more, factor more operators, or use larger groups",
                    ratio,
                    dense / all,
                    operators,
                    groups.numGroups(),
                    perRank / all));
        }
        return Math.min(r, mostRank(moe, groups));
    }

    private static int mostRank(MoeSpec moe, ExpertGroups groups) {
        int smallest = IntStream.of(groups.sizes()).min().orElse(1);
        return (int) Math.min(moe.hiddenSize(), (long) smallest * moe.intermediateSize());
    }

    /** Parameters of one more latent dimension of these operators. */
    private double costPerRank(MoeSpec moe, ExpertGroups groups, List<ExpertOperator> operators) {
        double own = (double) moe.numExperts() * moe.intermediateSize();
        double shared = (double) groups.numGroups() * moe.hiddenSize();
        return operators.size() * own + (operators.size() - (isTied(operators) ? 1 : 0)) * shared;
    }

    /** A layer of which everything but the latent sizes is known: its groups and, by operator, λ of each group. */
    record Spectra(MoeSpec moe, ExpertGroups groups, Map<ExpertOperator, List<double[]>> ofOperator) {}

    /** Latent sizes of all layers within a budget; a layer without any stays as it is. */
    Map<Integer, Optional<LatentSpec>> allocate(Map<Integer, Spectra> layers, RankPolicy.Budget budget) {
        if (method.tiedGateUp()) {
            throw new IllegalArgumentException(
                    "a budget chooses the latent sizes of gate and up apart; tie them with equal latent sizes (Fixed or Uniform)");
        }
        List<RankAllocation.Item> items = new ArrayList<>();
        double whole = 0;
        double free = 0;
        for (Spectra layer : layers.values()) {
            Unit unit = new Unit(layer, budget.unit());
            whole += unit.dense() * layer.moe().operators().size();
            free += unit.dense()
                    * (layer.moe().operators().size() - layer.ofOperator().size());
            double scale = scale(layer);
            layer.ofOperator()
                    .forEach((operator, spectra) ->
                            items.add(item(layer, spectra, unit, scale > 0 ? scale : total(spectra))));
        }
        int[] ranks = RankAllocation.allocate(items, budget.ratio() * whole - free);
        Map<Integer, Optional<LatentSpec>> latents = new TreeMap<>();
        int next = 0;
        for (Map.Entry<Integer, Spectra> layer : layers.entrySet()) {
            Map<ExpertOperator, Integer> sizes = new EnumMap<>(ExpertOperator.class);
            for (ExpertOperator operator : layer.getValue().ofOperator().keySet()) {
                int r = ranks[next++];
                if (r != RankAllocation.DENSE) {
                    sizes.put(operator, r);
                }
            }
            latents.put(
                    layer.getKey(),
                    sizes.isEmpty()
                            ? Optional.empty()
                            : Optional.of(latent(layer.getValue().groups(), sizes)));
        }
        return latents;
    }

    /** Where errors of all operators are errors of the layer's output, they are measured by that; 0 where each is measured by itself. */
    private double scale(Spectra layer) {
        List<double[]> down = layer.ofOperator().get(ExpertOperator.DOWN);
        boolean comparable = method.weighting() == Weighting.SENSITIVITY || method.weighting() == Weighting.SCALES;
        return comparable && down != null ? total(down) : 0;
    }

    private static double total(List<double[]> spectra) {
        return spectra.stream()
                .mapToDouble(values -> Arrays.stream(values).sum())
                .sum();
    }

    private RankAllocation.Item item(Spectra layer, List<double[]> spectra, Unit unit, double scale) {
        int most = mostRank(layer.moe(), layer.groups());
        double[] tail = new double[most + 1];
        for (double[] values : spectra) {
            double rest = 0;
            for (int j = values.length - 1; j >= 0; j--) {
                rest += values[j];
                if (j <= most) {
                    tail[j] += scale == 0 ? 0 : rest / scale;
                }
            }
        }
        int step = Math.max(1, layer.moe().hiddenSize() / 128);
        return new RankAllocation.Item(tail, unit.perRank(), unit.dense(), Math.min(step, most));
    }

    /** What a matrix of each expert costs, factored per dimension or dense. */
    private record Unit(double perRank, double dense) {
        Unit(Spectra layer, RankPolicy.Unit unit) {
            this(layer.moe(), layer.groups(), unit);
        }

        private Unit(MoeSpec moe, ExpertGroups groups, RankPolicy.Unit unit) {
            this(
                    unit == RankPolicy.Unit.FLOPS
                            ? 2
                                    * (UniformRouting.distinctGroups(groups, moe.topK()) * moe.hiddenSize()
                                            + (double) moe.topK() * moe.intermediateSize())
                            : (double) groups.numGroups() * moe.hiddenSize()
                                    + (double) moe.numExperts() * moe.intermediateSize(),
                    (unit == RankPolicy.Unit.FLOPS ? 2.0 * moe.topK() : moe.numExperts())
                            * moe.intermediateSize()
                            * moe.hiddenSize());
        }
    }
}
