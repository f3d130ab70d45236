package ai.molae.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.MoeSpec;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Time per token as the batch grows, and of one token as the number of experts grows. */
final class ScalingSection {

    private static final List<Integer> TOKENS = List.of(512, 1024, 2048, 4096, 8192);
    private static final List<Integer> EXPERTS = List.of(16, 64, 256);
    private static final int INPUTS = 8;

    private final NDManager manager;
    private final PrintStream out;

    ScalingSection(NDManager manager, PrintStream out) {
        this.manager = manager;
        this.out = out;
    }

    void run(double effort) {
        batches(effort);
        experts(effort);
    }

    private void batches(double effort) {
        out.printf(
                Locale.ROOT,
                "Microseconds per token as T grows (hidden 1024, expert 384, 32 experts, top-4, BFLOAT16):%n%n| |");
        TOKENS.forEach(T -> out.printf(Locale.ROOT, " T = %d |", T));
        out.printf(Locale.ROOT, "%n|---|%s%n", "---:|".repeat(TOKENS.size()));
        MoeSpec moe = Layers.moe(1024, 384, 32, 4);
        for (MoeSpec spec : List.of(moe, Layers.molae(moe))) {
            try (NDManager own = manager.newSubManager()) {
                MoeBlock block = Layers.initialize(own, MoeBlock.builder().optPrecision(Precision.BFLOAT16), spec);
                MoeBlock packed = Layers.prepared(own, block, Precision.BFLOAT16);
                Contest contest = new Contest(1);
                for (int T : TOKENS) {
                    NDArray x = Layers.inputs(own, 1, T, spec.hiddenSize())[0];
                    contest.add("inference" + T, call -> Layers.infer(packed, x));
                    contest.add("training" + T, call -> TrainingSection.step(block, x, GradientTape::new));
                }
                Map<String, Double> millis = contest.medianMillis((int) Math.max(5, effort * 9));
                for (String what : List.of("inference", "training")) {
                    out.printf(Locale.ROOT, "| %s, %s |", spec.latent().isPresent() ? "MoLAE" : "MoE", what);
                    TOKENS.forEach(T -> out.printf(Locale.ROOT, " %.1f |", 1e3 * Layers.of(millis, what + T) / T));
                    out.println();
                }
            }
        }
        out.println();
    }

    private void experts(double effort) {
        out.printf(
                Locale.ROOT,
                "Milliseconds to decode one token as N grows (hidden 2048, expert 768, top-8, BFLOAT16):%n%n| |");
        EXPERTS.forEach(N -> out.printf(Locale.ROOT, " N = %d |", N));
        out.printf(Locale.ROOT, "%n|---|%s%n", "---:|".repeat(EXPERTS.size()));
        for (boolean latent : new boolean[] {false, true}) {
            try (NDManager own = manager.newSubManager()) {
                Contest contest = new Contest(20);
                NDArray[] inputs = Layers.inputs(own, INPUTS, 1, 2048);
                for (int N : EXPERTS) {
                    MoeSpec moe = Layers.moe(2048, 768, N, 8);
                    MoeBlock block = Layers.initialize(own, MoeBlock.builder(), latent ? Layers.molae(moe) : moe);
                    block.prepareForInference(Precision.BFLOAT16);
                    contest.add("N" + N, call -> Layers.infer(block, inputs[call % INPUTS]));
                }
                Map<String, Double> millis = contest.medianMillis((int) Math.max(5, effort * 25));
                out.printf(Locale.ROOT, "| %s |", latent ? "MoLAE" : "MoE");
                EXPERTS.forEach(N -> out.printf(Locale.ROOT, " %.2f |", Layers.of(millis, "N" + N)));
                out.println();
            }
        }
        out.println();
    }
}
