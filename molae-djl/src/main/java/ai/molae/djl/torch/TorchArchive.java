package ai.molae.djl.torch;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Writes TorchScript source as the zip archive that libtorch loads: one module class {@code Molae} without parameters. Its attributes
 * are dictionaries by the number of a block's packed weights, empty until a method fills them: {@code matrices}, {@code scales} and
 * {@code plain} of lists of tensors, {@code packed} of lists of packed quantised weights.
 *
 * <p>The archive version selects operator semantics: 10 is that of libtorch 2.7; with 3, for instance, integer division truncates.
 */
final class TorchArchive {

    private static final String VERSION = "10\n";
    private static final String HEAD =
            """
            class Molae(Module):
              __parameters__ = []
              __buffers__ = []
              matrices : Dict[int, List[Tensor]]
              scales : Dict[int, List[Tensor]]
              plain : Dict[int, List[Tensor]]
              packed : Dict[int, List[__torch__.torch.classes.quantized.LinearPackedParamsBase]]
            """;
    /**
     * PROTO 2, GLOBAL __torch__.Molae, empty tuple, NEWOBJ, empty dict, for each attribute (BINUNICODE name, empty dict, SETITEM), BUILD,
     * STOP.
     */
    private static final String MODULE_PICKLE = "\u0080\u0002c__torch__\nMolae\n)\u0081}"
            + "X\b\0\0\0matrices}s"
            + "X\u0006\0\0\0scales}s"
            + "X\u0005\0\0\0plain}s"
            + "X\u0006\0\0\0packed}s"
            + "b.";
    /** PROTO 2, empty tuple, STOP: no constant tensors. */
    private static final String CONSTANTS_PICKLE = "\u0080\u0002).";

    private TorchArchive() {}

    /**
     * The archive of a module.
     *
     * @param methods the methods of the module class, indented by two spaces
     * @return the bytes of the archive
     */
    static byte[] of(String methods) {
        String source = HEAD + methods;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            put(zip, "data.pkl", MODULE_PICKLE.getBytes(StandardCharsets.ISO_8859_1));
            put(zip, "constants.pkl", CONSTANTS_PICKLE.getBytes(StandardCharsets.ISO_8859_1));
            put(zip, "code/__torch__.py", source.getBytes(StandardCharsets.UTF_8));
            put(zip, "version", VERSION.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    /** Adds an entry; libtorch reads stored entries only. */
    private static void put(ZipOutputStream zip, String name, byte[] content) throws IOException {
        ZipEntry entry = new ZipEntry("molae/" + name);
        CRC32 crc = new CRC32();
        crc.update(content);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(content.length);
        entry.setCrc(crc.getValue());
        zip.putNextEntry(entry);
        zip.write(content);
        zip.closeEntry();
    }
}
