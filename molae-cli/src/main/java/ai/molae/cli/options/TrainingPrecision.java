package ai.molae.cli.options;

import ai.molae.djl.torch.Precision;
import java.util.Iterator;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads and lists the precisions that models train in. */
public final class TrainingPrecision implements ITypeConverter<Precision>, Iterable<String> {

    /** Made by picocli. */
    public TrainingPrecision() {}

    @Override
    public Precision convert(String value) {
        for (Precision precision : Precision.trainable()) {
            if (precision.name().equalsIgnoreCase(value)) {
                return precision;
            }
        }
        throw new TypeConversionException(
                "expected one of " + Precision.trainable() + " (case-insensitive) but was '" + value + "'");
    }

    @Override
    public Iterator<String> iterator() {
        return Precision.trainable().stream().map(Precision::name).iterator();
    }
}
