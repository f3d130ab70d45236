package ai.molae.cli.train;

import ai.molae.djl.lm.LoraSpec;
import ai.molae.djl.lm.LoraTarget;
import ai.molae.djl.train.FineTuning;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What of a model is trained. */
final class TuningOptions {

    private static final int DEFAULT_RANK = 8;

    /** What is trained, and the peak learning rate that suits it. */
    enum Mode {
        /** Every parameter. */
        FULL(2e-5),
        /** The routed experts. */
        EXPERTS(2e-5),
        /** The routers. */
        ROUTER(1e-4),
        /** Low-rank adapters, which are added to the weights at the end. */
        LORA(2e-4);

        final double learningRate;

        Mode(double learningRate) {
            this.learningRate = learningRate;
        }

        /** The name as the user writes it. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Option(
            names = "--mode",
            defaultValue = "full",
            description =
                    "What is trained: full, experts, router, or lora for low-rank adapters (default: ${DEFAULT-VALUE}).")
    private Mode mode = Mode.FULL;

    @Option(
            names = "--lora-rank",
            paramLabel = "r",
            description = "Rank of the adapters (default: " + DEFAULT_RANK + ").")
    private @Nullable Integer rank;

    @Option(names = "--lora-alpha", paramLabel = "a", description = "Adapters count a/r times (default: r).")
    private @Nullable Double alpha;

    @Option(
            names = "--lora-targets",
            paramLabel = "target",
            split = ",",
            description = "Weights with adapters (default: attention,experts): ${COMPLETION-CANDIDATES}.")
    private @Nullable List<LoraTarget> targets;

    Mode mode() {
        return mode;
    }

    /** What is trained. */
    FineTuning fineTuning() {
        if (mode != Mode.LORA) {
            refuseLora();
        }
        return switch (mode) {
            case FULL -> FineTuning.full();
            case EXPERTS -> FineTuning.expertsOnly();
            case ROUTER -> FineTuning.routerOnly();
            case LORA -> FineTuning.lora(lora());
        };
    }

    private void refuseLora() {
        List<String> given = new ArrayList<>();
        if (rank != null) {
            given.add("--lora-rank");
        }
        if (alpha != null) {
            given.add("--lora-alpha");
        }
        if (targets != null) {
            given.add("--lora-targets");
        }
        if (!given.isEmpty()) {
            throw new IllegalArgumentException(String.join(", ", given) + " is for --mode lora, not for --mode " + mode
                    + "; leave one of both away");
        }
    }

    private LoraSpec lora() {
        LoraSpec.Builder lora = LoraSpec.builder().setRank(rank == null ? DEFAULT_RANK : rank);
        if (alpha != null) {
            lora.optAlpha(alpha);
        }
        List<LoraTarget> chosen = targets == null ? List.of(LoraTarget.ATTENTION, LoraTarget.EXPERTS) : targets;
        return lora.setTargets(chosen.stream().distinct().toArray(LoraTarget[]::new))
                .build();
    }
}
