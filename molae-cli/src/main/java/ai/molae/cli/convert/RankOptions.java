package ai.molae.cli.convert;

import ai.molae.cli.options.Ranges;
import ai.molae.djl.convert.RankPolicy;
import ai.molae.spec.ExpertOperator;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How wide the latent spaces become. */
final class RankOptions {

    static final double DEFAULT_RATIO = 0.7;

    /** What a share is of. */
    enum BudgetChoice {
        /** Of the parameters of each layer, with one latent size in it. */
        UNIFORM,
        /** Of all parameters. */
        PARAMETERS,
        /** Of all bytes. */
        BYTES,
        /** Of all multiplications. */
        FLOPS;

        RankPolicy policy(double ratio) {
            return this == UNIFORM
                    ? new RankPolicy.Uniform(ratio)
                    : new RankPolicy.Budget(RankPolicy.Unit.valueOf(name()), ratio);
        }

        /** The name as the user writes it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Option(
            names = "--ratio",
            paramLabel = "P",
            description =
                    "Share of the routed experts' parameters that is to be left, more than 0 and at most 1 (default: "
                            + DEFAULT_RATIO + ").")
    private @Nullable Double ratio;

    @Option(
            names = "--budget",
            paramLabel = "UNIT",
            description =
                    "What the ratio is of, over all layers together, or uniform for one latent size in each layer: ${COMPLETION-CANDIDATES}"
                            + " (default: as the method has it).")
    private @Nullable BudgetChoice budget;

    @Option(
            names = "--latent",
            paramLabel = "r|operator=r",
            split = ",",
            description = "Latent sizes in the place of a ratio: one for all operators, or gate=r,up=r,down=r.")
    private @Nullable List<String> latent;

    /** Whether anything is said about them. */
    boolean isGiven() {
        return ratio != null || budget != null || latent != null;
    }

    /** The ratio, for the method. */
    double ratio() {
        if (ratio == null) {
            return DEFAULT_RATIO;
        }
        if (!(ratio > 0 && ratio <= 1)) {
            throw new IllegalArgumentException("--ratio must be more than 0 and at most 1, got " + ratio);
        }
        return ratio;
    }

    /** Operators that are named with latent sizes; empty if there are none, or one for all. */
    Set<ExpertOperator> named() {
        return latent == null || isOne()
                ? Set.of()
                : sizes(latent, Integer.MAX_VALUE).keySet();
    }

    private boolean isOne() {
        return latent != null && latent.size() == 1 && !latent.get(0).contains("=");
    }

    /** The policy of a method with what is given in its place. */
    RankPolicy over(RankPolicy preset, Set<ExpertOperator> operators, int hiddenSize) {
        if (latent == null) {
            return budget == null ? preset : budget.policy(ratio());
        }
        List<String> others = new ArrayList<>();
        if (ratio != null) {
            others.add("--ratio");
        }
        if (budget != null) {
            others.add("--budget");
        }
        if (!others.isEmpty()) {
            throw new IllegalArgumentException("--latent says how wide the latent spaces are, so "
                    + String.join(" and ", others) + " cannot; leave one of both away");
        }
        if (!isOne()) {
            return new RankPolicy.Fixed(sizes(latent, hiddenSize));
        }
        Map<ExpertOperator, Integer> sizes = new EnumMap<>(ExpertOperator.class);
        int size = size(latent.get(0), latent.get(0), hiddenSize);
        operators.forEach(operator -> sizes.put(operator, size));
        return new RankPolicy.Fixed(sizes);
    }

    private static Map<ExpertOperator, Integer> sizes(List<String> values, int most) {
        Map<ExpertOperator, Integer> sizes = new EnumMap<>(ExpertOperator.class);
        for (String value : values) {
            String[] parts = value.split("=", 2);
            if (parts.length < 2) {
                throw new IllegalArgumentException("--latent is one number, or one for each operator as in"
                        + " gate=768,up=768,down=512, got " + String.join(",", values));
            }
            if (sizes.put(operator(parts[0], value), size(parts[1], value, most)) != null) {
                throw new IllegalArgumentException("--latent names " + parts[0] + " twice");
            }
        }
        return sizes;
    }

    private static ExpertOperator operator(String name, String value) {
        for (ExpertOperator operator : ExpertOperator.values()) {
            if (operator.name().equalsIgnoreCase(name.strip())) {
                return operator;
            }
        }
        throw new IllegalArgumentException("--latent " + value + ": the operators are gate, up and down");
    }

    private static int size(String number, String value, int most) {
        try {
            return Ranges.between("--latent", Integer.parseInt(number.strip()), 1, most);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("--latent " + value + " is no number", e);
        }
    }
}
