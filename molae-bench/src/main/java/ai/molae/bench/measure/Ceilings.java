package ai.molae.bench.measure;

import ai.djl.ndarray.NDManager;
import ai.molae.cost.Roofline;
import ai.molae.djl.torch.MachineCeilings;
import ai.molae.djl.torch.Precision;
import java.util.Map;

/** The {@link MachineCeilings} as metrics, cheap enough to be measured between iterations. */
public final class Ceilings implements AutoCloseable {

    private final MachineCeilings machine;

    /**
     * Prepares large products and 256 MiB to read.
     *
     * @param parent whose device is used
     * @param precision of the products
     */
    public Ceilings(NDManager parent, Precision precision) {
        machine = new MachineCeilings(parent, precision);
    }

    /**
     * Measures both, in about 40 ms.
     *
     * @return {@link Metric#BANDWIDTH} and {@link Metric#PEAK_FLOPS}
     */
    public Map<Metric, Double> measure() {
        Roofline ceilings = machine.measure();
        return Map.of(
                Metric.BANDWIDTH, ceilings.bytesPerSecond(),
                Metric.PEAK_FLOPS, ceilings.peakFlopsPerSecond());
    }

    @Override
    public void close() {
        machine.close();
    }
}
