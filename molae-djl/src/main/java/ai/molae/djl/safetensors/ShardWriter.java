package ai.molae.djl.safetensors;

import ai.molae.djl.safetensors.PartFiles.Opener;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import org.jspecify.annotations.Nullable;

/** Writes files one after the other through one piece of native memory. */
final class ShardWriter implements AutoCloseable {

    private final PartFiles files;
    private final Opener opener;
    private final ByteBuffer scratch = ScratchPool.allocate();
    private String name = "";
    private @Nullable FileChannel channel;
    private long written;

    ShardWriter(PartFiles files, Opener opener) {
        this.files = files;
        this.opener = opener;
    }

    /** Completes the file before and begins another. */
    void begin(String fileName, byte[] header) throws IOException {
        end();
        name = fileName;
        written = 0;
        channel = files.open(fileName, opener);
        ByteBuffer rest = ByteBuffer.wrap(header);
        while (rest.hasRemaining()) {
            put(rest);
        }
    }

    /** Adds bytes to the file, as many as there is room for. */
    void put(ByteBuffer bytes) throws IOException {
        ByteBuffer room = room(1);
        int limit = bytes.limit();
        bytes.limit(bytes.position() + Math.min(bytes.remaining(), room.remaining()));
        room.put(bytes);
        bytes.limit(limit);
    }

    /** Memory for the next bytes of the file: what is put there belongs to it. */
    ByteBuffer room(int atLeast) throws IOException {
        if (scratch.remaining() < atLeast) {
            flush();
        }
        return scratch;
    }

    /** Brings the file to the disk and closes it. */
    void end() throws IOException {
        if (channel != null) {
            flush();
            channel.force(true);
            close();
        }
    }

    private void flush() throws IOException {
        scratch.flip();
        try {
            while (channel != null && scratch.hasRemaining()) {
                written += channel.write(scratch);
            }
        } catch (IOException e) {
            throw new SafetensorsException(
                    files.part(name),
                    "writing failed after " + written + " bytes, " + scratch.remaining() + " more were to follow: " + e,
                    e);
        }
        scratch.clear();
    }

    /** Closes the file as it is. */
    @Override
    public void close() throws IOException {
        if (channel != null) {
            FileChannel closing = channel;
            channel = null;
            closing.close();
        }
    }
}
