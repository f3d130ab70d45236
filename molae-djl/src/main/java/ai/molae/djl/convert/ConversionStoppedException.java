package ai.molae.djl.convert;

import java.io.IOException;

/** A conversion was asked to stop; what is finished stays for the next call. */
public final class ConversionStoppedException extends IOException {

    private static final long serialVersionUID = 1;

    ConversionStoppedException(String message) {
        super(message);
    }
}
