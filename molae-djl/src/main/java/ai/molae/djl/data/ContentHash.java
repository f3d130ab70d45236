package ai.molae.djl.data;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** What fingerprints are made of. */
final class ContentHash {

    private static final int CHUNK = 4096;

    private final MessageDigest digest = sha256();
    private final ByteBuffer buffer = ByteBuffer.allocate(4 * CHUNK).order(ByteOrder.LITTLE_ENDIAN);

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** Adds a document: its length, its tokens, and which are only read if some are; bit 31 of the length says that. */
    void add(TokenDocument document) {
        int[] tokens = document.tokens();
        boolean masked = document.isMasked();
        buffer.clear();
        buffer.putInt(masked ? tokens.length | Integer.MIN_VALUE : tokens.length);
        for (int token : tokens) {
            flushIfFull();
            buffer.putInt(token);
        }
        for (int i = 0; masked && i < tokens.length; i++) {
            flushIfFull();
            buffer.put((byte) (document.isTrained(i) ? 1 : 0));
        }
        flush();
    }

    private void flushIfFull() {
        if (buffer.remaining() < Integer.BYTES) {
            flush();
        }
    }

    private void flush() {
        digest.update(buffer.flip());
        buffer.clear();
    }

    /** The hash; nothing can be added afterwards. */
    String hex() {
        return hex(digest.digest());
    }

    private static String hex(byte[] hash) {
        return HexFormat.of().formatHex(hash, 0, 16);
    }

    /** The hash of a text. */
    static String of(String text) {
        return of(text.getBytes(StandardCharsets.UTF_8));
    }

    /** The hash of some bytes. */
    static String of(byte[] bytes) {
        return hex(sha256().digest(bytes));
    }
}
