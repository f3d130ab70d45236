package ai.molae.cli.convert;

import ai.molae.djl.convert.ConversionMethod;
import java.util.Locale;

/** The methods that have a name. */
enum MethodChoice {
    /** As Liu et al. have it. */
    PAPER,
    /** The best without text. */
    DATA_FREE,
    /** The best with text and without training. */
    CALIBRATED,
    /** The same, and the factors of each layer are trained towards its outputs. */
    DISTILLED;

    ConversionMethod method(double ratio) {
        return switch (this) {
            case PAPER -> ConversionMethod.paper(ratio);
            case DATA_FREE -> ConversionMethod.dataFree(ratio);
            case CALIBRATED -> ConversionMethod.calibrated(ratio);
            case DISTILLED -> ConversionMethod.distilled(ratio);
        };
    }

    /** The name as the user writes it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
