package ai.molae.djl.files;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Text files that are read whole, up to a limit that no good file comes near: what a stranger's file is or claims to be must not fill the
 * memory. A link is followed; a device or pipe is read no further than to the limit.
 */
public final class SmallText {

    /** Bytes of a file of settings: config.json, specs, chat templates, what a run or a conversion notes of itself. */
    public static final int SETTINGS = 16 << 20;

    /** Bytes of a file of lists: tokenizer_config.json, shards.json, calibration.json, results of benchmarks. */
    public static final int LISTS = 64 << 20;

    /** Bytes of tokenizer.json. */
    public static final int VOCABULARY = 128 << 20;

    private SmallText() {}

    /**
     * Reads a text.
     *
     * @param file the file
     * @param most the largest number of bytes it may have
     * @return its content
     * @throws java.nio.file.NoSuchFileException if there is none
     * @throws java.nio.charset.CharacterCodingException if it is not UTF-8
     * @throws IllegalArgumentException if it has more bytes; the message has the file and both numbers
     * @throws IOException if it cannot be read
     */
    public static String read(Path file, int most) throws IOException {
        return StandardCharsets.UTF_8
                .newDecoder()
                .decode(ByteBuffer.wrap(bytes(file, most)))
                .toString();
    }

    /**
     * Reads the bytes of a text.
     *
     * @param file the file
     * @param most the largest number of bytes it may have
     * @return its content
     * @throws java.nio.file.NoSuchFileException if there is none
     * @throws IllegalArgumentException if it has more bytes; the message has the file and both numbers
     * @throws IOException if it cannot be read
     */
    public static byte[] bytes(Path file, int most) throws IOException {
        long size = Files.size(file);
        if (size > most) {
            throw tooLarge(file, size + " bytes", most);
        }
        // A size may be a lie, as those of devices and of files that grow are.
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(most);
            if (bytes.length == most && in.read() >= 0) {
                throw tooLarge(file, "more than " + most + " bytes", most);
            }
            return bytes;
        }
    }

    private static IllegalArgumentException tooLarge(Path file, String size, int most) {
        return new IllegalArgumentException(
                file + " has " + size + ", the limit for such a file is " + most + "; is it the right file?");
    }
}
