package ai.molae.bench.suite;

import ai.molae.bench.contender.Implementation;
import ai.molae.bench.workload.ExpertLoad;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.ActivationPolicy;
import ai.molae.djl.torch.Precision;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** How much is measured. */
enum Extent {
    /** Within ten minutes on two cores: every chart of the report, with few points. */
    QUICK(Scale.SMALL),
    /** Within two hours on two cores: every shape in every precision, and larger layers. */
    FULL(Scale.LARGE);

    private static final List<Variant> PAIR = List.of(Variant.MOE, Variant.MOLAE);

    /** Between what {@link Variant#MOLAE_TIED} and the untied groups say already. */
    private static final Set<Variant> GROUPED_TIED = EnumSet.of(Variant.MOLAE_QUARTER_TIED, Variant.MOLAE_EIGHT_TIED);

    private final Scale scale;

    Extent(Scale scale) {
        this.scale = scale;
    }

    /**
     * The shapes that are compared unless others are asked for. Moonlight's layer has the widths of DeepSeek-V2-Lite's.
     *
     * @return all of them, or those that tell something new
     */
    List<Shape> shapes() {
        return Arrays.stream(Shape.values())
                .filter(shape -> this == FULL || (shape != Shape.MOONLIGHT_16B_A3B && shape != Shape.AWKWARD))
                .toList();
    }

    /**
     * What to run.
     *
     * @param shapes the shapes to compare MoE and MoLAE in, at least one; the first is looked at in detail unless Qwen3-30B-A3B is among them
     * @return sets of trials, the most important first
     */
    List<TrialSet> trialSets(List<Shape> shapes) {
        Shape main = shapes.contains(Shape.QWEN3_30B_A3B) ? Shape.QWEN3_30B_A3B : shapes.get(0);
        List<TrialSet> trialSets = new ArrayList<>();
        boolean full = this == FULL;
        List<Precision> inference = List.of(Precision.FLOAT32, Precision.BFLOAT16, Precision.INT8);
        List<Precision> training = full ? Precision.trainable() : List.of(Precision.BFLOAT16);
        List<Precision> compared = full ? inference : List.of(Precision.BFLOAT16);

        // MoE against MoLAE in every shape. Benchmarks take turns: a minute in which the machine is slow is not to hit
        // all of one.
        for (Shape shape : shapes) {
            trialSets.add(forward(512).with("shape", shape).with("precision", compared));
            trialSets.add(decode(1).with("shape", shape).with("precision", compared));
        }
        trialSets.add(training()
                .with("shape", full ? shapes : List.copyOf(new LinkedHashSet<>(List.of(main, shapes.get(0)))))
                .with("precision", training));

        // One shape in detail.
        List<Variant> others = Arrays.stream(Variant.values())
                .filter(variant -> !PAIR.contains(variant) && (full || !GROUPED_TIED.contains(variant)))
                .toList();
        trialSets.add(forward(512).with("shape", main).with("variant", others));
        if (full) {
            trialSets.add(decode(1).with("shape", main).with("variant", others));
            trialSets.add(training().with("shape", main).with("variant", others));
            trialSets.add(decode(4, 16).with("shape", main));
            trialSets.add(
                    forward(1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 2048, 4096).with("shape", main));
            trialSets.add(training(128, 1024, 2048).with("shape", main));
            trialSets.add(training(512).with("shape", main).with("activations", ActivationPolicy.RECOMPUTE));
        } else {
            trialSets.add(forward(512).with("shape", main).with("precision", Precision.FLOAT32, Precision.INT8));
            // One token is LayerDecode's.
            trialSets.add(forward(64, 4096).with("shape", main));
        }
        trialSets.add(forward(512).with("shape", main).with("load", ExpertLoad.ZIPF));
        if (full) {
            trialSets.add(training(512).with("shape", main).with("load", ExpertLoad.ZIPF));
        }
        for (String part : List.of("route", "dispatch")) {
            trialSets.add(layer("RoutingDispatch." + part)
                    .with("shape", main)
                    .with("variant", Variant.MOE)
                    .with("tokens", full ? List.of(1, 64, 512, 4096) : List.of(1, 512)));
        }

        // Other implementations in the same run as molae. Some know float32 only, hence that first; trials that are
        // planned already are not run twice.
        List<Integer> batches = full ? List.of(1, 64, 512, 2048) : List.of(1, 512);
        TrialSet float32 = forward(batches.toArray()).with("shape", main).with("precision", Precision.FLOAT32);
        trialSets.add(float32.with(
                "implementation", Implementation.MOLAE, Implementation.NDARRAY_LOOP, Implementation.JAVACPP_PYTORCH));
        trialSets.add(float32.with("variant", Variant.MOE).with("implementation", Implementation.ONNX_RUNTIME));
        if (full) {
            trialSets.add(forward(512)
                    .with("shape", main)
                    .with("variant", Variant.MOE)
                    .with("precision", Precision.INT8)
                    .with("implementation", Implementation.MOLAE, Implementation.ONNX_RUNTIME));
            trialSets.add(forward(512)
                    .with("shape", main)
                    .with("implementation", Implementation.MOLAE, Implementation.JAVACPP_PYTORCH));
            TrialSet steps = training(512).with("shape", main).with("precision", Precision.FLOAT32);
            trialSets.add(steps.with("activations", ActivationPolicy.KEEP_GATHERED)
                    .with("implementation", Implementation.NDARRAY_LOOP));
            trialSets.add(steps);
        }

        // Whole models, and what happens before they run.
        List<Precision> packed = full ? inference : List.of(Precision.BFLOAT16);
        trialSets.add(model("ModelPrefill.prefill", main).with("tokens", 512).with("precision", packed));
        trialSets.add(model("ModelDecode.decode", main)
                .with("batch", full ? List.of(1, 4) : List.of(1))
                .with("precision", packed));
        trialSets.add(model("ModelTraining.step", main).with("tokens", 512).with("precision", training));
        // Seconds for the paper's layer, minutes for those of models, and far more for larger ones: small in both.
        trialSets.add(TrialSet.of("model.LayerConversion.convert")
                .with("shape", full ? main : Shape.PAPER)
                .with("scale", Scale.SMALL));
        trialSets.add(model("CheckpointLoad.load", main).with("precision", packed));
        return trialSets;
    }

    private TrialSet forward(Object... tokens) {
        return layer("LayerForward.forward").with("tokens", tokens);
    }

    private TrialSet decode(Object... tokens) {
        return layer("LayerDecode.decode").with("tokens", tokens);
    }

    private TrialSet training(Object... tokens) {
        return layer("LayerTraining.step")
                .with("activations", ActivationPolicy.KEEP_DISTINCT)
                .with("tokens", tokens.length == 0 ? new Object[] {512} : tokens);
    }

    private TrialSet layer(String benchmark) {
        return TrialSet.of("layer." + benchmark)
                .with("scale", scale)
                .with("variant", PAIR)
                .with("precision", Precision.BFLOAT16)
                .with("load", ExpertLoad.BALANCED)
                .with("implementation", Implementation.MOLAE);
    }

    private TrialSet model(String benchmark, Shape shape) {
        return TrialSet.of("model." + benchmark)
                .with("scale", scale)
                .with("shape", shape)
                .with("variant", PAIR);
    }
}
