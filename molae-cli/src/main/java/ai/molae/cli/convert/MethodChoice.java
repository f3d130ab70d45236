package ai.molae.cli.convert;

import ai.molae.djl.convert.ConversionMethod;
import java.util.Locale;
import java.util.function.DoubleFunction;

/** The methods that have a name. */
enum MethodChoice {
    /** As Liu et al. have it. */
    PAPER(ConversionMethod::paper),
    /** The best without text. */
    DATA_FREE(ConversionMethod::dataFree),
    /** The best with text and without training. */
    CALIBRATED(ConversionMethod::calibrated),
    /** The same, and the factors of each layer are trained towards its outputs. */
    DISTILLED(ConversionMethod::distilled);

    private final DoubleFunction<ConversionMethod> factory;

    MethodChoice(DoubleFunction<ConversionMethod> factory) {
        this.factory = factory;
    }

    ConversionMethod method(double ratio) {
        return factory.apply(ratio);
    }

    /** The name as the user writes it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
