package ai.molae.djl.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.BitSet;
import java.util.zip.CRC32C;

/** Writes one shard from its begin to its end. Where documents begin, and the flags, are in memory until then. */
final class ShardFileWriter implements AutoCloseable {

    private static final int BUFFER_BYTES = 1 << 20;

    private final FileChannel channel;
    private final int tokenBytes;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final CRC32C crc = new CRC32C();
    private long[] starts = new long[1024];
    private int documents;
    private long tokens;
    /** Tokens that are only read. */
    private final BitSet untrained = new BitSet();

    ShardFileWriter(Path file, int number, int tokenBytes) throws IOException {
        this.tokenBytes = tokenBytes;
        channel = FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW);
        buffer.putLong(ShardFormat.MAGIC)
                .putInt(ShardFormat.VERSION)
                .putInt(tokenBytes)
                .putInt(number)
                .putInt(0);
    }

    void add(TokenDocument document) throws IOException {
        for (int i = 0; i < document.tokens().length; i++) {
            room(tokenBytes);
            if (tokenBytes == Short.BYTES) {
                buffer.putShort((short) document.tokens()[i]);
            } else {
                buffer.putInt(document.tokens()[i]);
            }
            if (!document.isTrained(i)) {
                untrained.set(Math.toIntExact(tokens + i));
            }
        }
        tokens += document.tokens().length;
        documents++;
        if (documents == starts.length) {
            starts = Arrays.copyOf(starts, Math.toIntExact(starts.length * 3L / 2));
        }
        starts[documents] = tokens;
    }

    long tokens() {
        return tokens;
    }

    /** Writes the rest and forces the file to the disk. */
    ShardIndex.Entry finish() throws IOException {
        ShardFormat format = new ShardFormat(tokenBytes, tokens, documents, !untrained.isEmpty());
        align(tokens * tokenBytes);
        for (int i = 0; i <= documents; i++) {
            room(Long.BYTES);
            buffer.putLong(starts[i]);
        }
        if (format.masked()) {
            for (long token = 0; token < tokens; token += Byte.SIZE) {
                room(1);
                buffer.put(trained(token));
            }
            align((tokens + 7) / 8);
        }
        room(ShardFormat.TRAILER_BYTES);
        buffer.putLong(tokens).putLong(documents).putLong(format.masked() ? 1 : 0);
        flush();
        channel.force(true);
        return new ShardIndex.Entry(format, crc.getValue());
    }

    private byte trained(long first) {
        int flags = 0;
        for (int bit = 0; bit < Byte.SIZE && first + bit < tokens; bit++) {
            flags |= untrained.get((int) (first + bit)) ? 0 : 1 << bit;
        }
        return (byte) flags;
    }

    private void align(long bytes) throws IOException {
        for (long at = bytes; at < ShardFormat.aligned(bytes); at++) {
            room(1);
            buffer.put((byte) 0);
        }
    }

    private void room(int bytes) throws IOException {
        if (buffer.remaining() < bytes) {
            flush();
        }
    }

    private void flush() throws IOException {
        buffer.flip();
        crc.update(buffer.duplicate());
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
        buffer.clear();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
