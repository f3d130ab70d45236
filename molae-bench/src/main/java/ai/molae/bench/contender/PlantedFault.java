package ai.molae.bench.contender;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.function.LongSupplier;

/**
 * A layer with a fault that a comparison of runs has to find: {@code -Dmolae.bench.slowdown=0.2} lets every call take a fifth longer,
 * {@code -Dmolae.bench.ballast=0.1} keeps a tenth more bytes than the weights.
 */
final class PlantedFault implements Contender {

    private static final String SLOWDOWN = "molae.bench.slowdown";
    private static final String BALLAST = "molae.bench.ballast";

    private final Contender layer;
    private final double slowdown;
    private final LongSupplier nanos;
    private final NDManager manager = NDManager.newBaseManager();

    /**
     * Plants.
     *
     * @param layer without a fault, which this closes
     * @param slowdown share of its time that a call waits
     * @param ballastBytes kept until it is closed
     * @param nanos the clock
     */
    PlantedFault(Contender layer, double slowdown, long ballastBytes, LongSupplier nanos) {
        this.layer = layer;
        this.slowdown = slowdown;
        this.nanos = nanos;
        NDArray ballast = manager.ones(new Shape(Math.max(1, ballastBytes / Float.BYTES)));
        ballast.setName("ballast");
    }

    /**
     * Plants what the system properties ask for.
     *
     * @param layer without a fault
     * @param weightBytes of the layer
     * @return the layer itself if they ask for nothing
     */
    static Contender in(Contender layer, long weightBytes) {
        double slowdown = Double.parseDouble(System.getProperty(SLOWDOWN, "0"));
        double ballast = Double.parseDouble(System.getProperty(BALLAST, "0"));
        return slowdown > 0 || ballast > 0
                ? new PlantedFault(layer, slowdown, Math.round(ballast * weightBytes), System::nanoTime)
                : layer;
    }

    @Override
    public void forward(int call) {
        long start = nanos.getAsLong();
        layer.forward(call);
        long end = nanos.getAsLong();
        long until = end + Math.round(slowdown * (end - start));
        while (nanos.getAsLong() < until) {
            Thread.onSpinWait();
        }
    }

    @Override
    public float[] output(int input) {
        return layer.output(input);
    }

    @Override
    public void close() {
        layer.close();
        manager.close();
    }
}
