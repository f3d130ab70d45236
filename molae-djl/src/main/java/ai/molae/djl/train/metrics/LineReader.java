package ai.molae.djl.train.metrics;

import ai.molae.djl.files.SmallText;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Lines that end, and where they end; a {@link java.io.BufferedReader} tells neither. */
final class LineReader implements AutoCloseable {

    private final InputStream in;
    private long position;

    LineReader(Path file) throws IOException {
        in = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
    }

    /**
     * The next line without its end; null if there is no further, or only one without an end.
     *
     * @throws IllegalArgumentException if it is longer than any line of metrics
     */
    byte @Nullable [] next() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int b = in.read(); b >= 0; b = in.read()) {
            if (b == '\n') {
                position += line.size() + 1;
                return line.toByteArray();
            }
            if (line.size() == SmallText.SETTINGS) {
                throw new IllegalArgumentException("a line from byte " + position + " on has more than "
                        + SmallText.SETTINGS + " bytes, the limit for a line of metrics");
            }
            line.write(b);
        }
        return null;
    }

    /** Bytes up to the end of the last line. */
    long position() {
        return position;
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
