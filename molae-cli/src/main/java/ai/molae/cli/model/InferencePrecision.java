package ai.molae.cli.model;

import ai.molae.djl.torch.Precision;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Locale;

/** The names of the precisions that weights are packed in, for help and completion. */
public final class InferencePrecision implements Iterable<String> {

    /** Made by picocli. */
    public InferencePrecision() {}

    @Override
    public Iterator<String> iterator() {
        return Arrays.stream(Precision.values())
                .map(precision -> precision.name().toLowerCase(Locale.ROOT))
                .iterator();
    }
}
