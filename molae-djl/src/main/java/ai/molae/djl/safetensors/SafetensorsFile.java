package ai.molae.djl.safetensors;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/**
 * A safetensors file, open for reading. The header is checked in full when the file is opened; data is read when asked for, in any
 * order. Safe for concurrent use; but a thread interrupted while it reads closes the file for all, as {@link FileChannel} has it.
 */
public final class SafetensorsFile implements AutoCloseable {

    /** The JDK copies a read into a heap buffer through native memory of the read's size, and keeps that memory. */
    private static final int HEAP_READ_BYTES = 1 << 20;

    private final Path path;
    private final FileChannel channel;
    private final Header header;

    private SafetensorsFile(Path path, FileChannel channel, Header header) {
        this.path = path;
        this.channel = channel;
        this.header = header;
    }

    /**
     * Opens a file and reads its header.
     *
     * @param path the file
     * @return the open file, the caller's to close
     * @throws SafetensorsException if the header is not one, or does not describe exactly the bytes that follow it
     * @throws IOException if the file cannot be read
     */
    public static SafetensorsFile open(Path path) throws IOException {
        FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
        try {
            return new SafetensorsFile(path, channel, readHeader(path, channel));
        } catch (Throwable e) {
            channel.close();
            throw e;
        }
    }

    private static Header readHeader(Path path, FileChannel channel) throws IOException {
        long size = channel.size();
        if (size < Header.LENGTH_BYTES) {
            throw new SafetensorsException(
                    path, "the file has " + size + " bytes, too few for the 8 of the header's length");
        }
        ByteBuffer length = ByteBuffer.allocate(Header.LENGTH_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        fill(path, channel, 0, length);
        long headerBytes = length.getLong(0);
        if (headerBytes < 0 || headerBytes > Header.MAX_BYTES) {
            throw new SafetensorsException(
                    path,
                    "the header's length is " + Long.toUnsignedString(headerBytes) + " bytes, the format allows "
                            + Header.MAX_BYTES + "; is this a safetensors file?");
        }
        long rest = size - Header.LENGTH_BYTES;
        if (headerBytes > rest) {
            throw new SafetensorsException(
                    path,
                    "the header's length is " + headerBytes + " bytes, the file has only " + rest
                            + " after it; is it cut off?");
        }
        byte[] json = new byte[(int) headerBytes];
        fill(path, channel, Header.LENGTH_BYTES, ByteBuffer.wrap(json));
        return Header.parse(path, json, rest - headerBytes);
    }

    /**
     * The file.
     *
     * @return as opened
     */
    public Path path() {
        return path;
    }

    /**
     * The tensors by name.
     *
     * @return unmodifiable, in the order of the data
     */
    public Map<String, TensorInfo> tensors() {
        return header.tensors();
    }

    /**
     * The {@code __metadata__} of the header.
     *
     * @return unmodifiable, in the order of the header; empty if there is none
     */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /**
     * Reads a part of a tensor, as it stands in the file.
     *
     * @param tensor one of {@link #tensors()}
     * @param firstByte where to begin, from the tensor's first byte
     * @param into filled from its position to its limit; direct buffers are filled without a copy
     * @throws IllegalArgumentException if the tensor is not of this file or has fewer bytes
     * @throws SafetensorsException if the file has become shorter
     * @throws IOException if reading fails
     */
    public void read(TensorInfo tensor, long firstByte, ByteBuffer into) throws IOException {
        check(tensor, firstByte, into.remaining());
        fill(path, channel, tensor.position() + firstByte, into);
    }

    /**
     * Maps a part of a tensor into memory. The mapping outlives this file and ends when the buffer is garbage; on Windows the file
     * cannot be replaced or deleted before.
     *
     * @param tensor one of {@link #tensors()}
     * @param firstByte where to begin, from the tensor's first byte
     * @param bytes how many bytes
     * @return read-only, little-endian
     * @throws IllegalArgumentException if the tensor is not of this file or has fewer bytes
     * @throws IOException if mapping fails
     */
    public MappedByteBuffer map(TensorInfo tensor, long firstByte, int bytes) throws IOException {
        if (bytes < 0) {
            throw new IllegalArgumentException("cannot map " + bytes + " bytes");
        }
        check(tensor, firstByte, bytes);
        MappedByteBuffer mapped = channel.map(FileChannel.MapMode.READ_ONLY, tensor.position() + firstByte, bytes);
        mapped.order(ByteOrder.LITTLE_ENDIAN);
        return mapped;
    }

    /**
     * The bytes of a tensor one after the other.
     *
     * @param tensor one of {@link #tensors()}
     * @return a channel with a position of its own, for one thread; closing it leaves this file open
     * @throws IllegalArgumentException if the tensor is not of this file
     */
    public ReadableByteChannel stream(TensorInfo tensor) {
        check(tensor, 0, 0);
        return new TensorChannel(tensor);
    }

    /** Closes the file. */
    @Override
    public void close() throws IOException {
        channel.close();
    }

    private void check(TensorInfo tensor, long firstByte, int bytes) {
        if (!tensor.equals(header.tensors().get(tensor.name()))) {
            throw new IllegalArgumentException("tensor " + TensorSpec.shown(tensor.name()) + " at position "
                    + tensor.position() + " is not of " + path);
        }
        tensor.checkRange(firstByte, bytes, tensor.bytes(), "bytes");
    }

    private static void fill(Path path, FileChannel channel, long position, ByteBuffer into) throws IOException {
        int limit = into.limit();
        long at = position;
        while (into.position() < limit) {
            int count;
            try {
                if (!into.isDirect()) {
                    into.limit(into.position() + Math.min(into.remaining(), HEAP_READ_BYTES));
                }
                count = channel.read(into, at);
            } finally {
                into.limit(limit);
            }
            if (count < 0) {
                throw new SafetensorsException(
                        path,
                        "the file ended at byte " + at + " while it was read; " + into.remaining()
                                + " bytes more were there when it was opened");
            }
            at += count;
        }
    }

    private final class TensorChannel implements ReadableByteChannel {
        private final TensorInfo tensor;
        private long next;
        private boolean closed;

        TensorChannel(TensorInfo tensor) {
            this.tensor = tensor;
        }

        @Override
        public int read(ByteBuffer into) throws IOException {
            if (!isOpen()) {
                throw new ClosedChannelException();
            }
            if (next == tensor.bytes() && into.hasRemaining()) {
                return -1;
            }
            int count = (int) Math.min(into.remaining(), tensor.bytes() - next);
            int limit = into.limit();
            into.limit(into.position() + count);
            try {
                fill(path, channel, tensor.position() + next, into);
            } finally {
                into.limit(limit);
            }
            next += count;
            return count;
        }

        @Override
        public boolean isOpen() {
            return !closed && channel.isOpen();
        }

        @Override
        public void close() {
            closed = true;
        }
    }
}
