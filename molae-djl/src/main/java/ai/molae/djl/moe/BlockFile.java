package ai.molae.djl.moe;

import ai.djl.MalformedModelException;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** What blocks write beside their parameters and check when they read them, so that they are never read into a block of another form. */
public final class BlockFile {

    private static final int MOST_BYTES = 1 << 26;

    private BlockFile() {}

    /**
     * Writes a spec.
     *
     * @param os where to
     * @param spec a record, whose {@code toString} has every field
     * @throws IOException if writing fails
     */
    public static void writeSpec(DataOutputStream os, Record spec) throws IOException {
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
    public static void checkSpec(DataInputStream is, Record spec) throws MalformedModelException, IOException {
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

    /**
     * The shapes of a block's own parameters, to be compared after loading.
     *
     * @param block the block
     * @return shape by parameter name
     */
    public static Map<String, Shape> shapes(Block block) {
        Map<String, Shape> shapes = new HashMap<>();
        block.getDirectParameters()
                .forEach(entry -> shapes.put(entry.getKey(), entry.getValue().getShape()));
        return shapes;
    }

    /**
     * Refuses loaded parameters of another shape than the block's; DJL takes whatever shape the file has.
     *
     * @param block the block after loading
     * @param expected its {@link #shapes} before
     * @throws MalformedModelException if one differs; the message has both shapes
     */
    public static void checkShapes(Block block, Map<String, Shape> expected) throws MalformedModelException {
        Map<String, Shape> loaded = shapes(block);
        for (Map.Entry<String, Shape> entry : expected.entrySet()) {
            Shape shape = loaded.get(entry.getKey());
            if (!entry.getValue().equals(shape)) {
                throw new MalformedModelException("parameter " + entry.getKey() + " of "
                        + block.getClass().getSimpleName() + " has shape " + shape + " in the file, the block says "
                        + entry.getValue());
            }
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
