package ai.molae.djl.train;

import ai.djl.ndarray.NDArray;
import ai.molae.djl.files.Disk;
import ai.molae.djl.files.Shown;
import ai.molae.djl.files.SmallText;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.hf.CheckpointSaver;
import ai.molae.djl.json.SpecJson;
import ai.molae.djl.lm.CausalLm;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.Adapters;
import ai.molae.spec.ModelSpec;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A complete checkpoint of a run, from which it goes on exactly as if it had never stopped:
 *
 * <pre>
 *   config.json, model.safetensors    the model as {@link Checkpoint} opens it, in float32, with its tokenizer if there is one
 *   adapters/model.safetensors        the adapters (LoRA), if the model has some
 *   optimizer/model.safetensors       the optimizer's state
 *   trainer.json                      where the run was, its settings, versions, and length and CRC-32C of every other file
 * </pre>
 *
 * <p>{@link #open} checks all files against {@code trainer.json}, so that one that was damaged is never trained on.
 */
public final class TrainingCheckpoint {

    static final String TRAINER_FILE = "trainer.json";
    static final String OPTIMIZER_FOLDER = "optimizer";
    static final String ADAPTERS_FOLDER = "adapters";

    private static final Logger LOG = LoggerFactory.getLogger(TrainingCheckpoint.class);
    private static final int FORMAT = 1;
    private static final int CHECKSUM_BUFFER = 1 << 16;
    private static final Gson GSON = new GsonBuilder()
            .setPrettyPrinting()
            .disableHtmlEscaping()
            .serializeSpecialFloatingPointValues()
            .create();

    /** What {@code trainer.json} says. */
    private record Contents(
            int format,
            TrainingState state,
            TreeMap<String, String> settings,
            TreeMap<String, String> versions,
            TreeMap<String, FileSum> files,
            JsonObject model,
            long crc32c) {

        /** The checksum of the text with 0 in the place of the checksum. */
        long sum() {
            CRC32C crc = new CRC32C();
            Contents zero = new Contents(format, state, settings, versions, files, model, 0);
            crc.update(GSON.toJson(zero).getBytes(StandardCharsets.UTF_8));
            return crc.getValue();
        }

        Contents summed() {
            return new Contents(format, state, settings, versions, files, model, sum());
        }
    }

    private record FileSum(long bytes, long crc32c) {}

    private final Path folder;
    private final Contents contents;

    private TrainingCheckpoint(Path folder, Contents contents) {
        this.folder = folder;
        this.contents = contents;
    }

    /**
     * Opens and verifies a checkpoint: reads every byte of it.
     *
     * @param folder a folder that a trainer wrote
     * @return the checkpoint
     * @throws CorruptCheckpointException if a file is missing, damaged or of another format; the message names it
     * @throws IOException if reading fails
     */
    public static TrainingCheckpoint open(Path folder) throws IOException {
        TrainingCheckpoint checkpoint = new TrainingCheckpoint(folder, read(folder));
        for (Map.Entry<String, FileSum> file : checkpoint.contents.files().entrySet()) {
            checkpoint.verify(file.getKey(), file.getValue());
        }
        return checkpoint;
    }

    private static Contents read(Path folder) throws IOException {
        Path file = folder.resolve(TRAINER_FILE);
        try {
            Contents contents = GSON.fromJson(SmallText.read(file, SmallText.SETTINGS), Contents.class);
            if (contents == null || contents.format() != FORMAT) {
                throw new CorruptCheckpointException(
                        folder,
                        TRAINER_FILE + " has format " + (contents == null ? "none" : contents.format())
                                + ", this version of molae reads " + FORMAT);
            }
            if (contents.state() == null
                    || contents.settings() == null
                    || contents.files() == null
                    || contents.model() == null) {
                throw new CorruptCheckpointException(folder, TRAINER_FILE + " is not complete");
            }
            checkValues(folder, contents);
            if (contents.sum() != contents.crc32c()) {
                throw new CorruptCheckpointException(
                        folder, TRAINER_FILE + " has another checksum than was written; was it edited?");
            }
            return contents;
        } catch (NoSuchFileException e) {
            throw new CorruptCheckpointException(folder, TRAINER_FILE + " is missing", e);
        } catch (JsonParseException | NumberFormatException | CharacterCodingException e) {
            throw new CorruptCheckpointException(
                    folder, TRAINER_FILE + " is no JSON: " + Shown.message(e.getMessage()), e);
        }
    }

    private static void checkValues(Path folder, Contents contents) throws CorruptCheckpointException {
        if (contents.settings().containsValue(null)
                || contents.files().containsValue(null)
                || contents.versions() == null
                || contents.versions().containsValue(null)) {
            throw new CorruptCheckpointException(folder, TRAINER_FILE + " is not complete: a value is null");
        }
        TrainingState state = contents.state();
        if (state.step() < 0 || state.tokens() < 0 || state.position() < 0) {
            throw new CorruptCheckpointException(
                    folder,
                    TRAINER_FILE + " says step " + state.step() + ", " + state.tokens() + " tokens, position "
                            + state.position() + "; none of them is ever negative");
        }
        for (String name : contents.files().keySet()) {
            if (!isInside(folder, name)) {
                throw new CorruptCheckpointException(
                        folder, TRAINER_FILE + " lists " + Shown.value(name) + ", which is no file of the folder");
            }
        }
    }

    /** Whether a name leads to a file of the folder, not out of it. */
    private static boolean isInside(Path folder, String name) {
        try {
            Path path = folder.getFileSystem().getPath(name);
            return !path.isAbsolute() && path.normalize().equals(path) && !path.startsWith("..");
        } catch (InvalidPathException e) {
            return false;
        }
    }

    private void verify(String name, FileSum expected) throws IOException {
        Path file = folder.resolve(name);
        if (!Files.isRegularFile(file)) {
            throw new CorruptCheckpointException(folder, name + " is missing");
        }
        FileSum found = sum(file);
        if (found.bytes() != expected.bytes()) {
            throw new CorruptCheckpointException(
                    folder, name + " has " + found.bytes() + " bytes, " + expected.bytes() + " were written");
        }
        if (found.crc32c() != expected.crc32c()) {
            throw new CorruptCheckpointException(
                    folder,
                    String.format(
                            "%s has the checksum %08x, %08x was written", name, found.crc32c(), expected.crc32c()));
        }
    }

    private static FileSum sum(Path file) throws IOException {
        CRC32C crc = new CRC32C();
        byte[] buffer = new byte[CHECKSUM_BUFFER];
        long bytes = 0;
        try (InputStream in = Files.newInputStream(file)) {
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                crc.update(buffer, 0, read);
                bytes += read;
            }
        }
        return new FileSum(bytes, crc.getValue());
    }

    /**
     * Writes a checkpoint into an empty folder; complete only when this returns.
     *
     * @param folder where; created
     * @param model its parameters
     * @param optimizer its state
     * @param state where the run is
     * @param settings what must be the same to go on
     * @param original where the model came from, whose layout and tokenizer the folder gets
     */
    static void write(
            Path folder,
            CausalLm model,
            Optimizer optimizer,
            TrainingState state,
            Map<String, String> settings,
            Optional<Checkpoint> original)
            throws IOException {
        CheckpointSaver saver = CheckpointSaver.ofBase(model);
        original.ifPresent(saver::optOriginal);
        saver.optType(TensorType.F32).save(folder);
        Map<String, NDArray> adapters = adapters(model);
        if (!adapters.isEmpty()) {
            ArrayFiles.save(adapters, folder.resolve(ADAPTERS_FOLDER));
        }
        ArrayFiles.save(optimizer.state(), folder.resolve(OPTIMIZER_FOLDER));
        TreeMap<String, FileSum> files = new TreeMap<>();
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path file : paths.filter(Files::isRegularFile).toList()) {
                Disk.force(file);
                files.put(folder.relativize(file).toString().replace('\\', '/'), sum(file));
            }
        }
        Contents contents = new Contents(
                FORMAT,
                state,
                new TreeMap<>(settings),
                new TreeMap<>(Versions.of(model)),
                files,
                SpecJson.toTree(model.spec()),
                0);
        Path trainer = folder.resolve(TRAINER_FILE);
        Files.writeString(trainer, GSON.toJson(contents.summed()));
        Disk.force(trainer);
        try (Stream<Path> paths = Files.walk(folder)) {
            paths.filter(Files::isDirectory).forEach(Disk::forceFolder);
        }
    }

    private static Map<String, NDArray> adapters(CausalLm model) {
        Map<String, NDArray> adapters = new LinkedHashMap<>();
        model.parametersByPath().forEach((path, parameter) -> {
            if (Adapters.isAdapter(path)) {
                adapters.put(path, parameter.getArray());
            }
        });
        return adapters;
    }

    /**
     * Refuses another model.
     *
     * @throws IllegalArgumentException with what differs
     */
    void check(CausalLm model) {
        ModelSpec spec = spec();
        if (!spec.equals(model.spec())) {
            throw new IllegalArgumentException(folder + " is a checkpoint of another model: "
                    + Differences.of(SpecJson.toTree(spec), SpecJson.toTree(model.spec()))
                    + "; build the model with the spec of the checkpoint, or begin a new run in another folder");
        }
    }

    /**
     * Puts the values of the checkpoint into a model and an optimizer, in place.
     *
     * @throws IllegalArgumentException if they are not of the same form; they are unchanged then
     */
    void restore(CausalLm model, Optimizer optimizer) throws IOException {
        Map<String, NDArray> adapters = adapters(model);
        boolean saved = Files.isDirectory(folder.resolve(ADAPTERS_FOLDER));
        if (saved == adapters.isEmpty()) {
            throw new IllegalArgumentException(folder
                    + (saved
                            ? " has adapters (LoRA), the model has none; apply the same FineTuning before resuming"
                            : " has no adapters, the model has; resume a model without them"));
        }
        ArrayFiles.restore(folder.resolve(OPTIMIZER_FOLDER), optimizer.state());
        if (saved) {
            ArrayFiles.restore(folder.resolve(ADAPTERS_FOLDER), adapters);
        }
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            checkpoint.loadInto(model);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** Says so if another version wrote it: then the last digits can differ. */
    void warnOfVersions(CausalLm model) {
        String changed = Differences.of(contents.versions(), Versions.of(model));
        if (!changed.isEmpty()) {
            LOG.warn("{} goes on elsewhere, losses will agree up to rounding only: {}", folder, changed);
        }
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
     * How far the run was.
     *
     * @return optimizer steps done
     */
    public long step() {
        return contents.state().step();
    }

    /**
     * The settings of the run: optimizer, schedule, data and so on.
     *
     * @return values by name
     */
    public Map<String, String> settings() {
        return contents.settings();
    }

    /**
     * The model that was trained.
     *
     * @return its spec
     * @throws IllegalArgumentException if the checkpoint says something that is no model
     */
    public ModelSpec spec() {
        try {
            return SpecJson.parseModel(GSON.toJson(contents.model()));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(folder.resolve(TRAINER_FILE) + ": " + Shown.message(e.getMessage()), e);
        }
    }

    /** What the checkpoint says of itself, not verified. */
    static TrainingState state(Path folder) throws IOException {
        return read(folder).state();
    }

    TrainingState state() {
        return contents.state();
    }
}
