package ai.molae.bench.measure;

import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import org.openjdk.jmh.annotations.Param;

/** What every benchmark of a layer or of a model is asked for: a published model, how large, and what its layers become. */
public abstract class ShapeBenchmark extends TrialBenchmark {

    /** The model whose layers are measured. */
    @Param("QWEN3_30B_A3B")
    public Shape shape = Shape.QWEN3_30B_A3B;

    /** How large it may be. */
    @Param("SMALL")
    public Scale scale = Scale.SMALL;

    /** What is built of its layers. */
    @Param({"MOE", "MOLAE"})
    public Variant variant = Variant.MOE;

    /** For benchmarks. */
    protected ShapeBenchmark() {}
}
