package ai.molae.cli.convert;

import ai.molae.djl.convert.ConversionMethod;
import ai.molae.djl.convert.DistillationSpec;
import ai.molae.djl.convert.GroupPolicy;
import ai.molae.djl.convert.RankPolicy;
import ai.molae.djl.convert.Weighting;
import ai.molae.spec.ExpertOperator;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** How a model is converted: a method by name, and single settings in the place of its own. */
final class ConversionOptions {

    @Option(
            names = "--method",
            paramLabel = "NAME",
            description =
                    "What the options below are unless they are given: ${COMPLETION-CANDIDATES} (default: calibrated with text, else data-free).")
    private @Nullable MethodChoice method;

    @ArgGroup(validate = false)
    private RankOptions ranks = new RankOptions();

    @Option(
            names = "--operators",
            paramLabel = "operator",
            split = ",",
            description = "Factored operators: gate, up, down (default: those of --latent, or all the experts have).")
    private @Nullable List<ExpertOperator> operators;

    @Option(names = "--tied", description = "Gate and up share one projection.")
    private boolean tied;

    @ArgGroup(validate = false)
    private GroupOptions groups = new GroupOptions();

    @Option(
            names = "--rank-reduction",
            paramLabel = "R|latent|none",
            description =
                    "First replace each matrix by its best approximation of this rank, or of the latent size (default: as the method has it).")
    private @Nullable String rankReduction;

    @Option(
            names = "--weighting",
            paramLabel = "NORM",
            description = "What errors are weighed by: ${COMPLETION-CANDIDATES} (default: as the method has it).")
    private @Nullable Weighting weighting;

    @Option(
            names = "--shrinkage",
            paramLabel = "P",
            description = "How far moments are pulled towards a multiple of the identity, at least 0 and less than 1.")
    private @Nullable Double shrinkage;

    @Option(
            names = "--sweeps",
            paramLabel = "N",
            description = "Sweeps of alternating least squares over the moments of each expert; 0 for none.")
    private @Nullable Integer sweeps;

    @Option(
            names = "--refine",
            paramLabel = "STEPS",
            description = "Steps that train the factors of a layer towards its weights; 0 for none.")
    private @Nullable Integer refine;

    @Option(
            names = "--distill",
            paramLabel = "STEPS",
            description = "Steps that train the factors of a layer towards its outputs on the text; 0 for none.")
    private @Nullable Integer distill;

    /**
     * The method.
     *
     * @param model what is converted
     * @param calibrated whether there is text, or a calibration
     * @param text whether there is text
     * @return the method with what is given in the place of its own
     * @throws IllegalArgumentException if an option is out of range or does not fit the model, or the method needs text and there is none
     */
    ConversionMethod method(ModelSpec model, boolean calibrated, boolean text) {
        List<MoeSpec> layers = standardLayers(model);
        MethodChoice choice = method == null ? (calibrated ? MethodChoice.CALIBRATED : MethodChoice.DATA_FREE) : method;
        ConversionMethod preset = choice.method(ranks.ratio());
        Set<ExpertOperator> factored = factored(preset, layers);
        RankPolicy policy = ranks.over(preset.ranks(), factored, model.hiddenSize());
        int mostExperts = layers.stream().mapToInt(MoeSpec::numExperts).max().orElseThrow();
        GroupPolicy grouping = groups.over(preset.groups(), mostExperts);
        OptionalInt reduction = rankReduction(preset);
        Weighting norm = weighting == null ? preset.weighting() : weighting;
        if (reduction.isPresent() && norm != Weighting.NONE) {
            throw new IllegalArgumentException("--rank-reduction goes with plain weights only, the norm is "
                    + norm.name().toLowerCase(Locale.ROOT)
                    + "; change one with --weighting none or --rank-reduction none");
        }
        ConversionMethod.Builder builder = ConversionMethod.builder()
                .setRanks(policy)
                .optOperators(factored)
                .optTiedGateUp(tied(preset, factored, policy))
                .optGroups(grouping)
                .optWeighting(norm)
                .optShrinkage(shrinkage(preset))
                .optAlternatingSweeps(steps("--sweeps", sweeps, preset.alternatingSweeps()))
                .optRefinementSteps(steps("--refine", refine, preset.refinementSteps()));
        reduction.ifPresent(builder::optRankReduction);
        distillation(preset).ifPresent(builder::optDistillation);
        ConversionMethod result = builder.build();
        if (result.needsCalibration() && !calibrated) {
            throw new IllegalArgumentException(whatNeedsText(result)
                    + " needs text: give some with --calibrate, or what was kept of it with --calibration");
        }
        if (result.distillation().isPresent() && !text) {
            throw new IllegalArgumentException((distill == null ? "--method " + method : "--distill")
                    + " trains on text, which a calibration does not keep: give some with --calibrate");
        }
        return result;
    }

    /** The MoE layers, none of them factored. */
    static List<MoeSpec> standardLayers(ModelSpec model) {
        List<MoeSpec> layers = model.feedForwards().stream()
                .filter(MoeSpec.class::isInstance)
                .map(MoeSpec.class::cast)
                .toList();
        if (layers.isEmpty()) {
            throw new IllegalArgumentException(
                    "none of the " + model.numLayers() + " layers is a MoE layer; there is nothing to convert");
        }
        long factored =
                layers.stream().filter(layer -> layer.latent().isPresent()).count();
        if (factored > 0) {
            throw new IllegalArgumentException(factored + " of the " + layers.size()
                    + " MoE layers are factored already; convert the standard model they came from");
        }
        return layers;
    }

    private Set<ExpertOperator> factored(ConversionMethod preset, List<MoeSpec> layers) {
        Set<ExpertOperator> there = EnumSet.noneOf(ExpertOperator.class);
        layers.forEach(layer -> there.addAll(layer.operators()));
        Set<ExpertOperator> named = ranks.named();
        if (operators == null && named.isEmpty()) {
            Set<ExpertOperator> all = EnumSet.copyOf(preset.operators());
            all.retainAll(there);
            return all;
        }
        Set<ExpertOperator> chosen = operators == null ? named : EnumSet.copyOf(operators);
        if (!named.isEmpty() && !named.equals(chosen)) {
            throw new IllegalArgumentException("--operators names " + names(chosen) + ", --latent has sizes for "
                    + names(named) + "; name the same operators, or leave --operators away");
        }
        if (!there.containsAll(chosen)) {
            throw new IllegalArgumentException((operators == null ? "--latent" : "--operators") + " names "
                    + names(chosen) + ", the experts have " + names(there));
        }
        return chosen;
    }

    private boolean tied(ConversionMethod preset, Set<ExpertOperator> factored, RankPolicy policy) {
        boolean both = factored.containsAll(Set.of(ExpertOperator.GATE, ExpertOperator.UP));
        if (!tied) {
            return preset.tiedGateUp() && both;
        }
        if (!both) {
            throw new IllegalArgumentException("--tied shares one projection between gate and up, so both must be"
                    + " factored; factored is " + names(factored));
        }
        if (policy instanceof RankPolicy.Fixed fixed) {
            Integer gate = fixed.latentSizes().get(ExpertOperator.GATE);
            Integer up = fixed.latentSizes().get(ExpertOperator.UP);
            if (gate != null && !gate.equals(up)) {
                throw new IllegalArgumentException(
                        "--tied needs one latent size for gate and up, --latent has " + gate + " and " + up);
            }
        }
        return true;
    }

    private double shrinkage(ConversionMethod preset) {
        if (shrinkage == null) {
            return preset.shrinkage();
        }
        if (!(shrinkage >= 0 && shrinkage < 1)) {
            throw new IllegalArgumentException("--shrinkage must be at least 0 and less than 1, got " + shrinkage);
        }
        return shrinkage;
    }

    private static int steps(String flag, @Nullable Integer given, int preset) {
        if (given != null && given < 0) {
            throw new IllegalArgumentException(flag + " must be at least 0, got " + given);
        }
        return given == null ? preset : given;
    }

    private OptionalInt rankReduction(ConversionMethod preset) {
        if (rankReduction == null) {
            return preset.rankReduction();
        }
        return switch (rankReduction.toLowerCase(Locale.ROOT)) {
            case "none" -> OptionalInt.empty();
            case "latent" -> OptionalInt.of(0);
            default -> OptionalInt.of(rank(rankReduction));
        };
    }

    private static int rank(String value) {
        try {
            int rank = Integer.parseInt(value);
            if (rank >= 1) {
                return rank;
            }
        } catch (NumberFormatException e) {
            // The message below says what would do.
        }
        throw new IllegalArgumentException(
                "--rank-reduction must be a rank of at least 1, latent for the latent size, or none, got " + value);
    }

    private Optional<DistillationSpec> distillation(ConversionMethod preset) {
        int steps = steps(
                "--distill",
                distill,
                preset.distillation().map(DistillationSpec::steps).orElse(0));
        if (steps == 0) {
            return Optional.empty();
        }
        return Optional.of(preset.distillation()
                .map(own -> new DistillationSpec(steps, own.tokensPerStep(), own.learningRate()))
                .orElseGet(() -> new DistillationSpec(
                        steps, DistillationSpec.DEFAULT.tokensPerStep(), DistillationSpec.DEFAULT.learningRate())));
    }

    private String whatNeedsText(ConversionMethod result) {
        if (result.weighting().needsCalibration()) {
            return weighting == null && method != null
                    ? "--method " + method
                    : "--weighting " + result.weighting().name().toLowerCase(Locale.ROOT);
        }
        if (result.groups().kind() == GroupPolicy.Kind.CO_ACTIVATION) {
            return "--grouping co-activation";
        }
        return result.alternatingSweeps() > 0 ? "--sweeps" : "--distill";
    }

    private static String names(Set<ExpertOperator> operators) {
        return String.join(
                ", ",
                operators.stream()
                        .sorted()
                        .map(operator -> operator.name().toLowerCase(Locale.ROOT))
                        .toList());
    }
}
