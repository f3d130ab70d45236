package ai.molae.cli.train;

import ai.molae.djl.train.AdamWSpec;
import ai.molae.djl.train.MuonSpec;
import ai.molae.djl.train.OptimizerSpec;
import ai.molae.djl.train.ParameterGroup;
import ai.molae.djl.train.SecondMoment;
import ai.molae.djl.train.SgdSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What makes a step of a gradient. */
final class OptimizerOptions {

    private static final String ROUTERS = "**.mlp.router";

    /** Which optimizer. */
    enum Kind {
        /** AdamW. */
        ADAMW,
        /** Muon for matrices, AdamW for the rest. */
        MUON,
        /** Stochastic gradient descent. */
        SGD;

        /** The name as the user writes it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Option(
            names = "--optimizer",
            paramLabel = "NAME",
            defaultValue = "adamw",
            description =
                    "One of ${COMPLETION-CANDIDATES}; muon is for matrices, AdamW for the rest (default: ${DEFAULT-VALUE}).")
    Kind optimizer = Kind.ADAMW;

    @Option(names = "--beta1", paramLabel = "β₁", description = "Of AdamW, also beside Muon (default: 0.9).")
    @Nullable
    Double beta1;

    @Option(names = "--beta2", paramLabel = "β₂", description = "Of AdamW, also beside Muon (default: 0.95).")
    @Nullable
    Double beta2;

    @Option(
            names = "--second-moment",
            paramLabel = "HOW",
            description = "How AdamW keeps its moments: ${COMPLETION-CANDIDATES} (default: full).")
    @Nullable
    SecondMoment secondMoment;

    @Option(names = "--momentum", paramLabel = "μ", description = "Of Muon (default: 0.95) or SGD (default: 0).")
    @Nullable
    Double momentum;

    @Option(
            names = "--weight-decay",
            paramLabel = "λ",
            description = "Of matrices (default: 0.1 for a new model, 0 with --from).")
    @Nullable
    Double weightDecay;

    @Option(
            names = "--clip",
            paramLabel = "NORM",
            defaultValue = "1",
            description = "Largest gradient norm; 0 for any (default: ${DEFAULT-VALUE}).")
    double clip = 1;

    @Option(names = "--router-warmup", paramLabel = "N", description = "Steps until routers learn at their full rate.")
    @Nullable
    Long routerWarmup;

    @Option(
            names = "--group",
            paramLabel = "PATTERN=FACTOR",
            description = "Another learning rate, a factor of it, for the parameters of a pattern, such as"
                    + " layers.*.self_attn.*=0.5; may be repeated, the first that matches decides.")
    List<String> groups = new ArrayList<>();

    @Option(
            names = "--bias-update",
            paramLabel = "γ",
            description =
                    "Step of the biases that correct routing, where the model has some; 0 for none (default: 0.001).")
    @Nullable
    Double biasUpdate;

    /** The optimizer. */
    OptimizerSpec optimizer(double usualDecay) {
        double decay = weightDecay == null ? usualDecay : weightDecay;
        switch (optimizer) {
            case ADAMW -> refuse("--momentum", momentum);
            case SGD -> {
                refuse("--beta1", beta1);
                refuse("--beta2", beta2);
                refuse("--second-moment", secondMoment);
            }
            case MUON -> {}
        }
        return switch (optimizer) {
            case ADAMW -> adamW(decay);
            case MUON -> MuonSpec.builder()
                    .optMomentum(momentum == null ? 0.95 : momentum, true)
                    .optWeightDecay(decay)
                    .optAdamW(adamW(decay))
                    .build();
            case SGD -> new SgdSpec(momentum == null ? 0 : momentum, momentum != null && momentum > 0, decay);
        };
    }

    private void refuse(String flag, @Nullable Object value) {
        if (value != null) {
            throw new IllegalArgumentException(
                    flag + " is not for --optimizer " + optimizer + "; leave one of both away");
        }
    }

    private AdamWSpec adamW(double decay) {
        AdamWSpec.Builder builder = AdamWSpec.builder()
                .optBetas(beta1 == null ? 0.9 : beta1, beta2 == null ? 0.95 : beta2)
                .optWeightDecay(decay);
        if (secondMoment != null) {
            builder.optSecondMoment(secondMoment);
        }
        return builder.build();
    }

    /** The groups, in the order in which they decide. */
    List<ParameterGroup> parameterGroups(ScheduleOptions.Plan plan) {
        List<ParameterGroup> all = new ArrayList<>();
        for (String group : groups) {
            int equals = group.lastIndexOf('=');
            try {
                all.add(ParameterGroup.learningRate(
                        group.substring(0, Math.max(0, equals)), Double.parseDouble(group.substring(equals + 1))));
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException(
                        "--group must be a pattern, = and a number, such as **.mlp.router=0.5, got " + group, e);
            }
        }
        if (routerWarmup != null) {
            if (routerWarmup < 0 || routerWarmup > plan.expectedSteps()) {
                throw new IllegalArgumentException(
                        "--router-warmup must be between 0 and " + plan.expectedSteps() + ", got " + routerWarmup);
            }
            all.add(ParameterGroup.warmup(ROUTERS, plan.tokensOf(routerWarmup)));
        }
        return all;
    }
}
