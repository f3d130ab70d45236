package ai.molae.bench.measure;

import ai.djl.ndarray.NDManager;
import ai.molae.cost.Roofline;
import ai.molae.djl.torch.MachineCeilings;
import ai.molae.djl.torch.Precision;
import java.util.Map;

/** The {@link MachineCeilings} as metrics, cheap enough to be measured between iterations. */
public final class Ceilings implements AutoCloseable {

    private final NDManager manager = NDManager.newBaseManager();
    private final MachineCeilings machine;

    /**
     * Prepares large products and 256 MiB to read, on the default device.
     *
     * @param precision of the products
     */
    public Ceilings(Precision precision) {
        machine = new MachineCeilings(manager, precision);
    }

    /**
     * Measures both, in some hundredths of a second.
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
        manager.close();
    }
}
