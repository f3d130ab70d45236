package ai.molae.djl.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.zip.CRC32C;

/**
 * A file in memory without being read, mapped in pieces because a buffer of Java has an int for its size. Numbers are little-endian and stand at
 * multiples of their size, so that none is in two pieces.
 */
final class MappedBytes {

    /** Pieces of a GiB. */
    static final int PIECE_BITS = 30;

    private final ByteBuffer[] pieces;
    private final int bits;
    private final long mask;
    private final long size;

    private MappedBytes(ByteBuffer[] pieces, int bits, long size) {
        this.pieces = pieces;
        this.bits = bits;
        this.mask = (1L << bits) - 1;
        this.size = size;
    }

    /** Maps a file in pieces of 2^bits bytes, 8 at least. */
    static MappedBytes map(Path file, int bits) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            long piece = 1L << bits;
            ByteBuffer[] pieces = new ByteBuffer[Math.toIntExact((size + piece - 1) >>> bits)];
            for (int i = 0; i < pieces.length; i++) {
                long start = (long) i << bits;
                pieces[i] = channel.map(FileChannel.MapMode.READ_ONLY, start, Math.min(piece, size - start))
                        .order(ByteOrder.LITTLE_ENDIAN);
            }
            return new MappedBytes(pieces, bits, size);
        }
    }

    long size() {
        return size;
    }

    byte getByte(long position) {
        return pieces[(int) (position >>> bits)].get((int) (position & mask));
    }

    int getUnsignedShort(long position) {
        return Short.toUnsignedInt(pieces[(int) (position >>> bits)].getShort((int) (position & mask)));
    }

    int getInt(long position) {
        return pieces[(int) (position >>> bits)].getInt((int) (position & mask));
    }

    long getLong(long position) {
        return pieces[(int) (position >>> bits)].getLong((int) (position & mask));
    }

    long crc32c() {
        CRC32C crc = new CRC32C();
        for (ByteBuffer piece : pieces) {
            crc.update(piece.duplicate());
        }
        return crc.getValue();
    }
}
