package ai.molae.djl.data;

import java.io.IOException;

/** Where documents go, one after the other. */
@FunctionalInterface
public interface DocumentSink {

    /**
     * Takes a document.
     *
     * @param document the next one
     * @throws IOException if it cannot be written
     */
    void add(TokenDocument document) throws IOException;
}
