package ai.molae.djl.convert;

import ai.molae.djl.convert.calibrate.Calibration;
import ai.molae.djl.safetensors.TensorType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;

/**
 * Converts the checkpoint of a standard MoE into one of a MoLAE, layer by layer.
 */
@SuppressWarnings({"UnusedVariable", "DoNotCallSuggester"}) // being written
public final class Converter {

    /**
     * How far a conversion has come.
     *
     * @param stage what is being done: "spectra", "layers", "copying"
     * @param done units done
     * @param total units of this stage
     */
    public record Progress(String stage, long done, long total) {}

    private Converter(Builder builder) {}

    /**
     * A builder.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Converts, or goes on with a conversion of the same settings that was interrupted.
     *
     * @return what it did
     * @throws IOException if reading or writing fails; what is finished stays for the next call
     */
    public ConversionReport convert() throws IOException {
        throw new UnsupportedOperationException("being written");
    }

    /**
     * What the conversion can hope for.
     *
     * @return the spectra of all layers
     * @throws IOException if reading fails
     */
    public SpectrumReport spectrum() throws IOException {
        throw new UnsupportedOperationException("being written");
    }

    /** Asks a running conversion to stop after the piece it is at; {@link #convert} then throws. */
    public void stop() {}

    /** Builds a {@link Converter}. */
    public static final class Builder {
        private Builder() {}

        /** Where the checkpoint is. */
        public Builder setSource(Path source) {
            return this;
        }

        /** Where the converted checkpoint will be; must not exist. Beside it stands a folder for what is unfinished. */
        public Builder setTarget(Path target) {
            return this;
        }

        /** How. */
        public Builder setMethod(ConversionMethod method) {
            return this;
        }

        /** What text showed of the experts. */
        public Builder optCalibration(Calibration calibration) {
            return this;
        }

        /** Most bytes of memory; Optional default: half the machine's. */
        public Builder optMemoryLimit(long bytes) {
            return this;
        }

        /** Factorisations at a time. */
        public Builder optThreads(int threads) {
            return this;
        }

        /** Element type of written factors. */
        public Builder optType(TensorType type) {
            return this;
        }

        /** Writes a standard checkpoint whose matrices are the products. */
        public Builder optMultipliedOut() {
            return this;
        }

        /** Is told. */
        public Builder optProgress(Consumer<Progress> listener) {
            return this;
        }

        /** Builds. */
        public Converter build() {
            return new Converter(this);
        }
    }
}
