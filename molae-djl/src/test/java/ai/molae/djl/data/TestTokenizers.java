package ai.molae.djl.data;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Path;

/** The small tokenizers that make_tokenizers.py makes. */
final class TestTokenizers {

    private TestTokenizers() {}

    static Path folder(String name) {
        try {
            return Path.of(TestTokenizers.class.getResource(name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static HfTokenizer byteLevel() {
        return load("byte-level");
    }

    static HfTokenizer byteFallback() {
        return load("byte-fallback");
    }

    private static HfTokenizer load(String name) {
        try {
            return HfTokenizer.load(folder(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
