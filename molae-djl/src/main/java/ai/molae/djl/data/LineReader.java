package ai.molae.djl.data;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;

/** Reads lines of bytes, so that a line that is no text is found with its number. */
final class LineReader {

    private static final int MOST_BYTES = 1 << 30;

    private final InputStream in;
    private final byte[] buffer = new byte[1 << 16];
    private int from;
    private int to;
    private long number;
    private long bytes;

    LineReader(InputStream in) {
        this.in = in;
    }

    /** The next line without its end, empty after the last one. */
    Optional<byte[]> next() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        boolean any = false;
        boolean ended = false;
        while (!ended && fill()) {
            any = true;
            int end = from;
            while (end < to && buffer[end] != '\n') {
                end++;
            }
            if (line.size() + (end - from) > MOST_BYTES) {
                throw new IllegalArgumentException("line " + (number + 1) + " is longer than " + MOST_BYTES
                        + " bytes; is this a file of JSON lines?");
            }
            line.write(buffer, from, end - from);
            ended = end < to;
            bytes += end - from + (ended ? 1 : 0);
            from = ended ? end + 1 : end;
        }
        number += any ? 1 : 0;
        return any ? Optional.of(line.toByteArray()) : Optional.empty();
    }

    private boolean fill() throws IOException {
        if (from == to) {
            from = 0;
            to = Math.max(0, in.read(buffer));
        }
        return to > 0;
    }

    /** The number of the line that was read last, from 1. */
    long number() {
        return number;
    }

    /** Bytes of the lines that were read. */
    long bytes() {
        return bytes;
    }
}
