package ai.molae.djl.data;

import java.util.Locale;

/**
 * The layout of a shard, little-endian, every section at a multiple of 8 bytes:
 *
 * <pre>
 * header   magic (8 bytes), version, bytes of a token, number of the shard, 0 (int32 each)
 * tokens   uint16 or int32 each
 * starts   int64: where each document begins, in tokens from the shard's first, and where the last one ends
 * flags    if some token is only read: a bit for each token, the lowest of a byte first, 1 if it is trained on
 * trailer  tokens, documents, and whether there are flags (int64 each)
 * </pre>
 *
 * @param tokenBytes bytes of a token
 * @param tokens how many
 * @param documents how many
 * @param masked whether there are flags
 */
record ShardFormat(int tokenBytes, long tokens, long documents, boolean masked) {

    /** The text "molaetok". */
    static final long MAGIC = 0x6B6F7465616C6F6DL;

    static final int VERSION = 1;
    static final int HEADER_BYTES = 24;
    static final int TRAILER_BYTES = 24;
    /** The most ids that two bytes tell apart. */
    static final int MOST_SHORT_IDS = 1 << 16;

    static int tokenBytes(int vocabSize) {
        return vocabSize <= MOST_SHORT_IDS ? Short.BYTES : Integer.BYTES;
    }

    static String fileName(int number) {
        return String.format(Locale.ROOT, "tokens-%05d.bin", number);
    }

    static long aligned(long bytes) {
        return (bytes + 7) & -8;
    }

    long startsAt() {
        return HEADER_BYTES + aligned(tokens * tokenBytes);
    }

    long flagsAt() {
        return startsAt() + Long.BYTES * (documents + 1);
    }

    long trailerAt() {
        return flagsAt() + (masked ? aligned((tokens + 7) / 8) : 0);
    }

    long fileBytes() {
        return trailerAt() + TRAILER_BYTES;
    }
}
