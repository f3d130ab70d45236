package ai.molae.djl.convert.calibrate;

import ai.molae.djl.convert.calibrate.CalibrationIndex.Entry;
import ai.molae.djl.hf.Checkpoint;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What text showed of the experts of a model, as a {@link Calibrator} has written it: a folder with {@code calibration.json} and a safetensors
 * file for each MoE layer, {@code layer-00003.safetensors}, whose tensors are float64 and int64:
 *
 * <pre>
 *   counts [N], co_activation [N, N]                                          int64
 *   gate_mass, soft_mass, output_norm, weighted_output_norm [N]
 *   input [n, n];  expert_input [N, n, n] if collected
 *   inner_down [N, m, m];  inner_gate, inner_up [N, m, m] or [N, m] if collected
 * </pre>
 *
 * <p>Opening reads {@code calibration.json} only. Every byte of a layer's file is verified when the layer is first asked for. Safe for concurrent use.
 */
public final class Calibration {

    private final Path folder;
    private final CalibrationIndex index;
    private final Set<Integer> verified = ConcurrentHashMap.newKeySet();

    private Calibration(Path folder, CalibrationIndex index) {
        this.folder = folder;
        this.index = index;
    }

    /**
     * Opens a folder.
     *
     * @param folder as a calibrator has written it
     * @return the calibration
     * @throws IOException if it cannot be read, or is no calibration
     */
    public static Calibration open(Path folder) throws IOException {
        return new Calibration(folder, CalibrationIndex.read(folder));
    }

    /**
     * Where it is.
     *
     * @return the folder
     */
    public Path folder() {
        return folder;
    }

    /**
     * How much text there was.
     *
     * @return tokens that every layer read
     */
    public long tokens() {
        return index.tokens();
    }

    /**
     * How long the windows were.
     *
     * @return tokens of a window
     */
    public int windowLength() {
        return index.windowLength();
    }

    /**
     * Which moments there are.
     *
     * @return the settings
     */
    public MomentSettings settings() {
        return index.settings();
    }

    /**
     * How many layers the model has.
     *
     * @return its layers, dense ones too
     */
    public int numLayers() {
        return index.numLayers();
    }

    /**
     * The MoE layers.
     *
     * @return their numbers in the model, ascending; the caller's
     */
    public SortedSet<Integer> layers() {
        return new TreeSet<>(index.layers().keySet());
    }

    /**
     * Which model it was.
     *
     * @return its fingerprint
     */
    public SourceFingerprint fingerprint() {
        return index.source();
    }

    /**
     * What tells it from other calibrations of the same model, such as one on other text.
     *
     * @return hexadecimal digits; other ones if the model, the settings or any moment is another
     */
    public String hash() {
        return SourceFingerprint.sha256(index.toJson().getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Refuses a checkpoint that the moments are not of.
     *
     * @param checkpoint the checkpoint
     * @throws IllegalArgumentException if it is another; the message says which files changed
     * @throws IOException if its files cannot be read
     */
    public void checkSource(Checkpoint checkpoint) throws IOException {
        List<String> differences = fingerprint().differences(SourceFingerprint.of(checkpoint));
        if (!differences.isEmpty()) {
            throw new IllegalArgumentException(folder + " is no calibration of " + checkpoint.folder() + ": "
                    + String.join(", ", differences) + "; calibrate this checkpoint");
        }
    }

    /**
     * What it showed of a layer.
     *
     * @param layer the layer's number in the model
     * @return the moments, read when asked for; they throw {@link java.io.UncheckedIOException} if they cannot be
     * @throws IllegalArgumentException if that is no MoE layer
     * @throws IOException if the file is missing or damaged, or cannot be read
     */
    public LayerMoments layer(int layer) throws IOException {
        Entry entry = index.layers().get(layer);
        if (entry == null) {
            throw new IllegalArgumentException("layer " + layer + " is no MoE layer of the model calibrated in "
                    + folder + "; those are " + layers());
        }
        Path file = folder.resolve(entry.file());
        verify(layer, entry, file);
        return StoredMoments.open(file, entry.spec(), index.settings(), index.tokens());
    }

    private void verify(int layer, Entry entry, Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw damaged(file, "is missing");
        }
        long bytes = Files.size(file);
        if (bytes != entry.bytes()) {
            throw damaged(file, "has " + bytes + " bytes, it had " + entry.bytes());
        }
        if (!verified.contains(layer)) {
            if (LayerFile.checksum(file) != entry.checksum()) {
                throw damaged(file, "has other contents than were written");
            }
            verified.add(layer);
        }
    }

    private static IOException damaged(Path file, String how) {
        return new IOException(file + " " + how + "; calibrate anew, or bring the file back");
    }

    /**
     * How much the moments of a layer can be trusted.
     *
     * @param layer the layer's number in the model
     * @return the summary
     * @throws IllegalArgumentException if that is no MoE layer
     * @throws IOException if the file is missing or damaged, or cannot be read
     */
    public LayerSummary summary(int layer) throws IOException {
        return LayerSummary.of(layer, layer(layer));
    }
}
