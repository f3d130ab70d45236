package ai.molae.djl.chart;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.DeflaterOutputStream;

/**
 * Shares of a load as colours: nothing where an expert has its even share 1/N, ever more orange up to four times of it, ever more blue down to a
 * quarter, the deepest blue for none. One pixel per number, as a PNG with a palette that is transparent in the middle, so that it suits light
 * and dark pages.
 */
final class HeatMap {

    /** Colours on either side of the even share. */
    private static final int SHADES = 24;

    /** The deepest colours are for 2 to the power of this, up and down. */
    private static final double DEEPEST = 2;

    private static final int COLOURS = 2 * SHADES + 1;
    private static final int[] LESS = {0x1f, 0x6f, 0xd6};
    private static final int[] MORE = {0xe8, 0x6a, 0x10};
    private static final byte[] SIGNATURE = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

    private HeatMap() {}

    /** The palette's number for an expert's part in a load. */
    static int colour(long tokens, double evenShare) {
        if (evenShare == 0) {
            return SHADES;
        }
        double octaves = tokens == 0 ? -DEEPEST : Math.log(tokens / evenShare) / Math.log(2);
        return (int) Math.round(SHADES * (1 + Math.max(-1, Math.min(1, octaves / DEEPEST))));
    }

    /**
     * An image of loads.
     *
     * @param loads tokens per expert, one load per column; columns may differ in length
     * @param transposed one load per row instead
     * @return a URL that holds a PNG
     */
    static String image(List<long[]> loads, boolean transposed) {
        int experts = loads.stream().mapToInt(load -> load.length).max().orElse(1);
        int width = transposed ? experts : loads.size();
        int height = transposed ? loads.size() : experts;
        byte[][] pixels = new byte[height][width];
        for (byte[] row : pixels) {
            Arrays.fill(row, (byte) SHADES);
        }
        for (int i = 0; i < loads.size(); i++) {
            long[] load = loads.get(i);
            double even = Arrays.stream(load).sum() / (double) load.length;
            for (int expert = 0; expert < load.length; expert++) {
                pixels[transposed ? i : expert][transposed ? expert : i] = (byte) colour(load[expert], even);
            }
        }
        return "data:image/png;base64," + Base64.getEncoder().encodeToString(png(pixels));
    }

    /** All colours from least to most, as an image of one row. */
    static String scale() {
        byte[][] row = new byte[1][COLOURS];
        for (int i = 0; i < COLOURS; i++) {
            row[0][i] = (byte) i;
        }
        return "data:image/png;base64," + Base64.getEncoder().encodeToString(png(row));
    }

    private static byte[] png(byte[][] rows) {
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        png.writeBytes(SIGNATURE);
        // 8 bits per pixel, a palette; deflate, no filter, not interlaced
        chunk(
                png,
                "IHDR",
                ByteBuffer.allocate(13)
                        .putInt(rows[0].length)
                        .putInt(rows.length)
                        .put(new byte[] {8, 3, 0, 0, 0})
                        .array());
        byte[] palette = new byte[3 * COLOURS];
        byte[] opacity = new byte[COLOURS];
        for (int i = 0; i < COLOURS; i++) {
            for (int channel = 0; channel < 3; channel++) {
                palette[3 * i + channel] = (byte) (i < SHADES ? LESS : MORE)[channel];
            }
            opacity[i] = (byte) (255 * Math.abs(i - SHADES) / SHADES);
        }
        chunk(png, "PLTE", palette);
        chunk(png, "tRNS", opacity);
        ByteArrayOutputStream compressed = new ByteArrayOutputStream();
        try (DeflaterOutputStream deflater = new DeflaterOutputStream(compressed)) {
            for (byte[] row : rows) {
                deflater.write(0);
                deflater.write(row);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
        chunk(png, "IDAT", compressed.toByteArray());
        chunk(png, "IEND", new byte[0]);
        return png.toByteArray();
    }

    private static void chunk(ByteArrayOutputStream png, String type, byte[] data) {
        byte[] name = type.getBytes(StandardCharsets.US_ASCII);
        CRC32 crc = new CRC32();
        crc.update(name);
        crc.update(data);
        png.writeBytes(ByteBuffer.allocate(4).putInt(data.length).array());
        png.writeBytes(name);
        png.writeBytes(data);
        png.writeBytes(ByteBuffer.allocate(4).putInt((int) crc.getValue()).array());
    }
}
