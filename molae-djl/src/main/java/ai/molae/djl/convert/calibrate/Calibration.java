package ai.molae.djl.convert.calibrate;

import java.io.IOException;
import java.nio.file.Path;

/** What text showed of the experts of a model: a folder with a file for each MoE layer. */
@SuppressWarnings("DoNotCallSuggester") // being written
public final class Calibration {

    private Calibration() {}

    /**
     * Opens a folder.
     *
     * @param folder as a calibrator has written it
     * @return the calibration
     * @throws IOException if it cannot be read
     */
    public static Calibration open(Path folder) throws IOException {
        throw new UnsupportedOperationException("being written: " + folder);
    }

    /**
     * What it showed of a layer.
     *
     * @param layer the layer's number in the model
     * @return the moments, read when asked for
     * @throws IOException if they cannot be read
     */
    public LayerMoments layer(int layer) throws IOException {
        throw new UnsupportedOperationException("being written: " + layer);
    }
}
