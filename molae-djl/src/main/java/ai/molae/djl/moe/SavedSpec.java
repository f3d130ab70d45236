package ai.molae.djl.moe;

import ai.djl.MalformedModelException;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** The spec a block writes beside its parameters, so that they are never read into a block of another form. */
public final class SavedSpec {

    private static final int MOST_BYTES = 1 << 26;

    private SavedSpec() {}

    /**
     * Writes a spec.
     *
     * @param os where to
     * @param spec a record, whose {@code toString} has every field
     * @throws IOException if writing fails
     */
    public static void write(DataOutputStream os, Record spec) throws IOException {
        // writeUTF stops at 64 KiB, which a model of many layers exceeds.
        byte[] text = spec.toString().getBytes(StandardCharsets.UTF_8);
        os.writeInt(text.length);
        os.write(text);
    }

    /**
     * Reads a spec and compares it with that of the block.
     *
     * @param is where from
     * @param spec the block's spec
     * @throws MalformedModelException if they differ; the message has both
     * @throws IOException if reading fails
     */
    public static void check(DataInputStream is, Record spec) throws MalformedModelException, IOException {
        int length = is.readInt();
        if (length < 0 || length > MOST_BYTES) {
            throw new MalformedModelException("the file says its spec has " + length + " bytes; it is no molae file");
        }
        String saved = new String(is.readNBytes(length), StandardCharsets.UTF_8);
        String own = spec.toString();
        if (!saved.equals(own)) {
            throw new MalformedModelException("the file holds another spec than this block.\n  file:  "
                    + fromDifference(saved, own) + "\n  block: " + fromDifference(own, saved)
                    + "\nBuild the block from the spec it was saved with.");
        }
    }

    /** What surrounds the first difference: the texts of large models run to pages. */
    private static String fromDifference(String text, String other) {
        int same = 0;
        while (same < Math.min(text.length(), other.length()) && text.charAt(same) == other.charAt(same)) {
            same++;
        }
        int from = Math.max(0, same - 80);
        int to = Math.min(text.length(), same + 80);
        return (from > 0 ? "..." : "") + text.substring(from, to) + (to < text.length() ? "..." : "");
    }
}
