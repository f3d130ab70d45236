package ai.molae.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.molae.cost.ActivationPolicy;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.GradientTape;
import ai.molae.djl.torch.NativeMemory;
import ai.molae.djl.torch.Precision;
import ai.molae.djl.train.AdamWSpec;
import ai.molae.djl.train.Optimizer;
import ai.molae.djl.train.Optimizers;
import ai.molae.spec.MoeSpec;
import java.io.PrintStream;
import java.util.List;
import java.util.Locale;

/**
 * The most native memory that a training step (forward, backward, AdamW) holds, against the cost model's figure. Each layer runs twice, and
 * the second run counts: what oneDNN and the JVM compile stays in native memory too, once per process.
 */
final class MemorySection {

    private static final MoeSpec MOE = Layers.moe(1024, 384, 32, 4);
    private static final int WARM_UP_STEPS = 3;
    private static final double MIB = 1 << 20;

    private final NDManager manager;
    private final PrintStream out;

    MemorySection(NDManager manager, PrintStream out) {
        this.manager = manager;
        this.out = out;
    }

    void run(int T) {
        if (NativeMemory.inUse().isEmpty()) {
            out.println("Native memory cannot be measured here: glibc's mallinfo2 is absent.");
            return;
        }
        out.printf(Locale.ROOT, "Peak native memory of a training step, T = %d, MiB:%n%n", T);
        out.printf(Locale.ROOT, "| | cost model | measured | ratio |%n|---|---:|---:|---:|%n");
        for (MoeSpec spec : List.of(MOE, Layers.molae(MOE))) {
            for (Precision precision : List.of(Precision.FLOAT32, Precision.BFLOAT16)) {
                for (boolean recompute : new boolean[] {false, true}) {
                    peak(spec, precision, recompute, T);
                    double measured = peak(spec, precision, recompute, T);
                    double expected = CostModel.layer(spec)
                            .trainingBytes(
                                    ElementType.FLOAT32,
                                    precision == Precision.FLOAT32 ? ElementType.FLOAT32 : ElementType.BFLOAT16,
                                    T,
                                    recompute ? ActivationPolicy.RECOMPUTE : ActivationPolicy.KEEP_DISTINCT)
                            .total();
                    out.printf(
                            Locale.ROOT,
                            "| %s%s | %.0f | %.0f | %.3f |%n",
                            ForwardSection.name(spec, precision),
                            recompute ? ", recomputing" : "",
                            expected / MIB,
                            measured / MIB,
                            measured / expected);
                }
            }
        }
        out.println();
    }

    private double peak(MoeSpec spec, Precision precision, boolean recompute, int T) {
        long before = NativeMemory.inUse().orElseThrow();
        try (NDManager own = manager.newSubManager()) {
            MoeBlock block = Layers.initialize(
                    own, MoeBlock.builder().optPrecision(precision).optRecompute(recompute), spec);
            try (Optimizer optimizer =
                    Optimizers.of(own, block, AdamWSpec.builder().build())) {
                NDArray x = Layers.inputs(own, 1, T, spec.hiddenSize())[0];
                for (int i = 0; i < WARM_UP_STEPS; i++) {
                    TrainingSection.step(block, x, GradientTape::new);
                    optimizer.step(1e-4, 0, 1);
                }
                try (NativeMemory.Peak peak = NativeMemory.watchPeak()) {
                    TrainingSection.step(block, x, GradientTape::new);
                    optimizer.step(1e-4, 0, 1);
                    return peak.bytes().orElseThrow() - before;
                }
            }
        }
    }
}
