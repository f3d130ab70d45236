package ai.molae.djl.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** One mapped file of {@link TokenShards}. Positions are those in the shard. */
final class TokenShard {

    private final Path file;
    private final ShardFormat format;
    private final MappedBytes bytes;
    private final int vocabSize;

    private TokenShard(Path file, ShardFormat format, MappedBytes bytes, int vocabSize) {
        this.file = file;
        this.format = format;
        this.bytes = bytes;
        this.vocabSize = vocabSize;
    }

    static TokenShard open(Path folder, int number, ShardIndex index, boolean checksums, int pieceBits)
            throws IOException {
        Path file = folder.resolve(ShardFormat.fileName(number));
        ShardIndex.Entry entry = index.shards().get(number);
        if (!Files.isRegularFile(file)) {
            throw new TokenShardsException(
                    file,
                    "is missing; " + ShardIndex.FILE + " lists "
                            + index.shards().size() + " shards");
        }
        TokenShard shard = new TokenShard(file, entry.format(), MappedBytes.map(file, pieceBits), index.vocabSize());
        shard.checkSizes(number);
        if (checksums) {
            shard.checkContents(entry.crc32c());
        }
        shard.checkEnds();
        return shard;
    }

    private void checkSizes(int number) {
        if (bytes.size() != format.fileBytes()) {
            throw new TokenShardsException(
                    file,
                    "has " + bytes.size() + " bytes, " + ShardIndex.FILE + " says " + format.fileBytes()
                            + (bytes.size() < format.fileBytes() ? "; it is cut off" : ""));
        }
        if (bytes.getLong(0) != ShardFormat.MAGIC) {
            throw new TokenShardsException(file, "does not begin as a shard of molae");
        }
        check("version", bytes.getInt(8), ShardFormat.VERSION);
        check("bytes of a token", bytes.getInt(12), format.tokenBytes());
        check("number of the shard", bytes.getInt(16), number);
        long trailer = format.trailerAt();
        check("tokens", bytes.getLong(trailer), format.tokens());
        check("documents", bytes.getLong(trailer + 8), format.documents());
        check("flags", bytes.getLong(trailer + 16), format.masked() ? 1 : 0);
    }

    private void checkContents(long crc32c) {
        long actual = bytes.crc32c();
        if (actual != crc32c) {
            throw new TokenShardsException(
                    file,
                    "has the CRC-32C checksum " + ShardIndex.hex(actual) + ", " + ShardIndex.FILE + " says "
                            + ShardIndex.hex(crc32c) + ": the file is damaged, or that of another data set");
        }
        for (long document = 0; document < format.documents(); document++) {
            if (start(document + 1) <= start(document)) {
                throw new TokenShardsException(
                        file,
                        "document " + document + " begins at token " + start(document) + " and ends at "
                                + start(document + 1));
            }
        }
    }

    private void checkEnds() {
        check("begin of the first document", start(0), 0);
        check("end of the last document", start(format.documents()), format.tokens());
    }

    private void check(String what, long actual, long expected) {
        if (actual != expected) {
            throw new TokenShardsException(file, what + ": it says " + actual + ", expected " + expected);
        }
    }

    long tokens() {
        return format.tokens();
    }

    long documents() {
        return format.documents();
    }

    boolean masked() {
        return format.masked();
    }

    long start(long document) {
        return bytes.getLong(format.startsAt() + Long.BYTES * document);
    }

    void copyTokens(long position, int[] target, int offset, int count) {
        long at = ShardFormat.HEADER_BYTES + position * format.tokenBytes();
        boolean wide = format.tokenBytes() == Integer.BYTES;
        for (int i = 0; i < count; i++, at += format.tokenBytes()) {
            int token = wide ? bytes.getInt(at) : bytes.getUnsignedShort(at);
            if (token < 0 || token >= vocabSize) {
                throw new TokenShardsException(
                        file,
                        "token " + (position + i) + " is " + Integer.toUnsignedString(token) + ", the vocabulary has "
                                + vocabSize + " ids: the file is damaged");
            }
            target[offset + i] = token;
        }
    }

    void copyTrained(long position, boolean[] target, int offset, int count) {
        for (int i = 0; i < count; i++) {
            long token = position + i;
            target[offset + i] =
                    !format.masked() || (bytes.getByte(format.flagsAt() + (token >>> 3)) >> (token & 7) & 1) == 1;
        }
    }
}
