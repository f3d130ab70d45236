package ai.molae.bench.measure;

import java.util.Map;

/** Measures how fast this machine reads and multiplies, with the library whose layer is measured. */
public interface CeilingProbe extends AutoCloseable {

    /**
     * One reading of 256 MiB and a large product: some hundredths of a second.
     *
     * @return {@link Metric#BANDWIDTH} and {@link Metric#PEAK_FLOPS}
     */
    Map<Metric, Double> measure();

    /** Frees what was read and multiplied. */
    @Override
    void close();
}
