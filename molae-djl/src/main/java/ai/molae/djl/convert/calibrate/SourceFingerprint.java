package ai.molae.djl.convert.calibrate;

import ai.molae.djl.files.SmallText;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointConfig;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Tells one checkpoint from another without reading all its weights: the config, and names, sizes and samples of the files with tensors. Where the folder is does not
 * matter. Training changes nearly every weight, so samples see it; a few weights that are repaired in place they may miss.
 *
 * @param configHash SHA-256 of {@code config.json}, hexadecimal
 * @param fileSizes bytes of each file with tensors, by its name
 * @param fileSamples SHA-256 of pieces spread over each file, hexadecimal, by its name
 */
public record SourceFingerprint(
        String configHash, SortedMap<String, Long> fileSizes, SortedMap<String, String> fileSamples) {

    private static final int PIECES = 32;
    private static final int PIECE_BYTES = 4096;

    /**
     * Copies the sizes.
     *
     * @param configHash SHA-256 of {@code config.json}
     * @param fileSizes bytes of each file
     * @param fileSamples SHA-256 of pieces of each file
     */
    public SourceFingerprint {
        fileSizes = Collections.unmodifiableSortedMap(new TreeMap<>(fileSizes));
        fileSamples = Collections.unmodifiableSortedMap(new TreeMap<>(fileSamples));
    }

    /**
     * The fingerprint of a checkpoint as it stands on the disk.
     *
     * @param checkpoint the checkpoint
     * @return its fingerprint
     * @throws IOException if a file cannot be read
     */
    public static SourceFingerprint of(Checkpoint checkpoint) throws IOException {
        SortedMap<String, Long> sizes = new TreeMap<>();
        SortedMap<String, String> samples = new TreeMap<>();
        for (Path file : checkpoint.tensors().files().keySet()) {
            sizes.put(file.getFileName().toString(), Files.size(file));
            samples.put(file.getFileName().toString(), sample(file));
        }
        return new SourceFingerprint(
                sha256(SmallText.bytes(checkpoint.folder().resolve(CheckpointConfig.FILE), SmallText.SETTINGS)),
                sizes,
                samples);
    }

    /** Pieces at equal distances, the last at the end. */
    private static String sample(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long last = Math.max(0, channel.size() - PIECE_BYTES);
            ByteBuffer pieces = ByteBuffer.allocate(PIECES * PIECE_BYTES);
            for (int i = 0; i < PIECES; i++) {
                pieces.limit((i + 1) * PIECE_BYTES).position(i * PIECE_BYTES);
                long from = last * i / (PIECES - 1);
                while (pieces.hasRemaining()) {
                    int read = channel.read(pieces, from);
                    if (read < 0) {
                        break;
                    }
                    from += read;
                }
            }
            return sha256(pieces.array());
        }
    }

    /**
     * The fingerprint in one word.
     *
     * @return hexadecimal digits, equal if and only if the fingerprints are
     */
    public String hash() {
        return sha256((configHash + fileSizes + fileSamples).getBytes(StandardCharsets.UTF_8));
    }

    /**
     * What is different in another checkpoint.
     *
     * @param other its fingerprint
     * @return a phrase for each file that is; empty if they are the same
     */
    public List<String> differences(SourceFingerprint other) {
        List<String> differences = new ArrayList<>();
        if (!configHash.equals(other.configHash)) {
            differences.add(CheckpointConfig.FILE + " has other contents");
        }
        fileSizes.forEach((name, size) -> {
            Long there = other.fileSizes.get(name);
            if (there == null) {
                differences.add(name + " is missing");
            } else if (!there.equals(size)) {
                differences.add(name + " has " + there + " bytes, it had " + size);
            } else if (!Objects.equals(fileSamples.get(name), other.fileSamples.get(name))) {
                differences.add(name + " has other contents");
            }
        });
        other.fileSizes.keySet().stream()
                .filter(name -> !fileSizes.containsKey(name))
                .forEach(name -> differences.add(name + " is new"));
        return differences;
    }

    static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
