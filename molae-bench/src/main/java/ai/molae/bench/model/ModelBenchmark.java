package ai.molae.bench.model;

import ai.djl.ndarray.NDManager;
import ai.molae.bench.measure.Ceilings;
import ai.molae.bench.measure.ShapeBenchmark;
import ai.molae.bench.workload.ModelCase;
import ai.molae.djl.torch.Precision;
import org.openjdk.jmh.annotations.Param;

/** What the benchmarks of a whole model in memory have in common. */
@SuppressWarnings("NullAway.Init") // JMH sets up first
public abstract class ModelBenchmark extends ShapeBenchmark {

    /** Format of the weights; in training, FLOAT32 or BFLOAT16, that of the products. */
    @Param("BFLOAT16")
    public Precision precision = Precision.BFLOAT16;

    /** Owns the model; open from {@link #begin()} on. */
    NDManager manager;

    ModelBenchmark() {}

    /** Opens the manager and the ceilings. */
    final void begin() {
        manager = NDManager.newBaseManager();
        holdAgainst(new Ceilings(precision));
    }

    /** The model that the parameters name. */
    final ModelCase modelCase() {
        return new ModelCase(shape, scale, variant);
    }
}
