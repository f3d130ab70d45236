package ai.molae.djl.hf;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Parameter;
import ai.molae.djl.files.Disk;
import ai.molae.djl.files.Folders;
import ai.molae.djl.files.Shown;
import ai.molae.djl.files.SmallText;
import ai.molae.djl.files.WholeFile;
import ai.molae.djl.safetensors.SafetensorsFolder;
import ai.molae.djl.safetensors.TensorType;
import ai.molae.djl.torch.WeightSource;
import ai.molae.spec.ModelSpec;
import ai.molae.spec.MoeSpec;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * A checkpoint made of another one whose experts change, layer by layer, so that the work survives a kill: what is unfinished stands in a folder
 * beside the target, {@code NAME.converting}; a layer there is complete or absent, and the target appears, complete, in one step at the end.
 *
 * <p>Each converted layer becomes a file of its own; everything else is copied. For one thread, and one process at a time.
 */
public final class CheckpointDraft implements AutoCloseable {

    private static final String SUFFIX = ".converting";
    private static final String LOCK = ".lock";
    private static final String SETTINGS = "settings.txt";
    private static final String NOTES = "notes.txt";
    private static final String TENSORS = "model.safetensors";
    /** What {@link #REST} holds; no name that leads elsewhere. */
    private static final String PART_NAME = "model[-\\w]*\\.safetensors";
    /** The folder of all that are no converted experts. */
    private static final String REST = "rest";
    /** The folder that becomes the target; made before that of the rest. */
    private static final String WHOLE = "checkpoint";

    private final Path target;
    private final Path folder;
    private final Checkpoint original;
    private final TensorType type;
    private final FileChannel lock;

    private CheckpointDraft(Path target, Path folder, Checkpoint original, TensorType type, FileChannel lock) {
        this.target = target;
        this.folder = folder;
        this.original = original;
        this.type = type;
        this.lock = lock;
    }

    /**
     * Where the unfinished files of a target stand.
     *
     * @param target the target
     * @return the folder beside it
     */
    public static Path folderOf(Path target) {
        Path absolute = target.toAbsolutePath().normalize();
        return absolute.resolveSibling(Objects.requireNonNull(absolute.getFileName(), "no folder name") + SUFFIX);
    }

    /**
     * Begins a checkpoint, or goes on with one that was interrupted.
     *
     * @param target where the checkpoint will be; must not exist
     * @param original what it is made of, open as long as this
     * @param type element type of the experts; other tensors keep theirs, unless they are quantised
     * @param settings what the result depends on, line by line, so that nobody goes on with other settings
     * @return a draft, the caller's to close
     * @throws FileAlreadyExistsException if the target exists
     * @throws IllegalArgumentException if an interrupted draft of other settings is there; the message names the first line that differs
     * @throws IOException if the folder cannot be written to, or another process writes into it
     */
    public static CheckpointDraft open(Path target, Checkpoint original, TensorType type, List<String> settings)
            throws IOException {
        checkAbsent(target);
        CheckpointSaver.dtype(type);
        Path folder = folderOf(target);
        Files.createDirectories(folder);
        FileChannel lock = FileChannel.open(folder.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            if (!locked(lock)) {
                throw new IOException(
                        "another conversion writes into " + folder + "; wait for it, or choose another target");
            }
            // Another process may have finished in the meantime.
            checkAbsent(target);
            if (Files.exists(folder.resolve(REST)) && Files.notExists(folder.resolve(WHOLE))) {
                // A checkpoint that was given its name, and has been removed since.
                clear(folder);
            }
            checkSettings(folder, settings);
            return new CheckpointDraft(target, folder, original, type, lock);
        } catch (IOException | RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    private static void checkAbsent(Path target) throws FileAlreadyExistsException {
        if (Files.exists(target)) {
            throw new FileAlreadyExistsException(
                    target.toString(), null, "it exists already; choose another name, or remove it");
        }
    }

    private static boolean locked(FileChannel channel) throws IOException {
        try {
            FileLock got = channel.tryLock();
            return got != null;
        } catch (OverlappingFileLockException e) {
            return false;
        }
    }

    private static void checkSettings(Path folder, List<String> settings) throws IOException {
        Path file = folder.resolve(SETTINGS);
        if (Files.notExists(file) || isBlank(folder)) {
            // Whatever stands there without settings was being removed.
            clear(folder);
            WholeFile.write(file, String.join("\n", settings) + "\n");
            return;
        }
        List<String> before = SmallText.read(file, SmallText.SETTINGS).lines().toList();
        for (int i = 0; i < Math.max(before.size(), settings.size()); i++) {
            String was = i < before.size() ? before.get(i) : "nothing";
            String is = i < settings.size() ? settings.get(i) : "nothing";
            if (!was.equals(is)) {
                throw new IllegalArgumentException("an interrupted conversion with other settings stands in " + folder
                        + ": it has \"" + was + "\", this one \"" + is
                        + "\"; convert with the same settings, or remove that folder to begin anew");
            }
        }
    }

    /** Whether there is nothing yet that took any work. */
    private static boolean isBlank(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString())
                    .allMatch(name -> name.equals(LOCK) || name.contains(SETTINGS));
        }
    }

    /**
     * Reads a text that was noted.
     *
     * @param name its name
     * @return the text; empty if there is none
     * @throws IOException if it cannot be read
     */
    public Optional<String> note(String name) throws IOException {
        Path file = folder.resolve(name);
        return Files.exists(file) ? Optional.of(SmallText.read(file, SmallText.SETTINGS)) : Optional.empty();
    }

    /**
     * Keeps a text for whoever goes on with the draft.
     *
     * @param name a file name
     * @param text the text
     * @throws IOException if writing fails
     */
    public void note(String name, String text) throws IOException {
        WholeFile.write(folder.resolve(name), text);
    }

    private Path layer(int layer) {
        return folder.resolve("layer-" + layer);
    }

    /**
     * What was noted of a finished layer.
     *
     * @param layer its number
     * @return the note; empty if the layer is not finished
     * @throws IOException if it cannot be read
     */
    public Optional<String> finished(int layer) throws IOException {
        return note("layer-" + layer + "/" + NOTES);
    }

    /**
     * Writes the routed experts of a layer.
     *
     * @param layer its number
     * @param moe the layer as it is written
     * @param rows its parameters
     * @param note what to keep of it, asked for when all is written
     * @throws IOException if writing fails; the layer is then not finished
     */
    public void write(int layer, MoeSpec moe, LayerRows rows, Supplier<String> note) throws IOException {
        Path place = Files.createDirectories(layer(layer));
        LayerTensors.of(original, layer, moe).write(place, type, rows);
        WholeFile.write(place.resolve(NOTES), note.get());
    }

    /**
     * Reads a finished layer.
     *
     * @param layer its number
     * @param moe the layer as it was written
     * @return its parameters, the caller's to close
     * @throws IOException if it cannot be read
     */
    public Layer read(int layer, MoeSpec moe) throws IOException {
        return LayerTensors.of(original, layer, moe).read(layer(layer));
    }

    /** The parameters of a layer that was written. For one thread. */
    public static final class Layer implements LayerRows, AutoCloseable {
        private final SafetensorsFolder tensors;
        private final Map<String, Parameter> byName;
        private final WeightSource source;

        Layer(SafetensorsFolder tensors, Map<String, Parameter> byName, WeightSource source) {
            this.tensors = tensors;
            this.byName = byName;
            this.source = source;
        }

        @Override
        public NDArray row(NDManager manager, String parameter, int index) {
            Parameter found = byName.get(parameter);
            if (found == null) {
                throw new IllegalArgumentException(parameter + " was not written; " + byName.keySet() + " were");
            }
            try (NDArray row = source.read(manager, found, index, 1)) {
                NDArray copy = row.duplicate();
                copy.attach(manager);
                return copy;
            }
        }

        @Override
        public void close() throws IOException {
            tensors.close();
        }
    }

    /**
     * Copies everything else, and gives the target its name.
     *
     * @param spec the whole model
     * @param layers the layers whose experts were written; all of them finished
     * @param texts files to put beside, by name
     * @param progress told how far copying has come
     * @throws IOException if writing fails; the next call goes on
     */
    public void finish(ModelSpec spec, Set<Integer> layers, Map<String, String> texts, Progress progress)
            throws IOException {
        CheckpointConfig config = original.config().with(spec, CheckpointSaver.dtype(type));
        if (config.family() != original.config().family()) {
            throw new IllegalStateException("the family " + original.config().modelType() + " cannot express " + spec);
        }
        Path whole = Files.createDirectories(folder.resolve(WHOLE));
        Path rest = folder.resolve(REST);
        if (Files.notExists(rest.resolve(NOTES))) {
            writeNotes(rest, new UnchangedTensors(original, config, layers, type).copy(rest, progress));
        }
        List<Path> parts = new ArrayList<>();
        for (String name :
                SmallText.read(rest.resolve(NOTES), SmallText.SETTINGS).lines().toList()) {
            if (!name.matches(PART_NAME)) {
                throw new IOException(rest.resolve(NOTES) + " names " + Shown.value(name)
                        + ", which is no file of a conversion; remove " + folder + " to begin anew");
            }
            parts.add(rest.resolve(name));
        }
        layers.stream().sorted().forEach(layer -> parts.add(layer(layer).resolve(TENSORS)));
        List<Path> files = new ArrayList<>();
        for (Path part : parts) {
            Path file = whole.resolve(
                    String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", files.size() + 1, parts.size()));
            // Moved already by a call that was interrupted, or still to be moved.
            if (Files.exists(part)) {
                Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            }
            files.add(file);
        }
        SafetensorsFolder.writeIndex(whole, files);
        for (Path companion : CheckpointSaver.companions(original.folder())) {
            Path copy = whole.resolve(companion.getFileName());
            Files.copy(companion, copy, StandardCopyOption.REPLACE_EXISTING);
            Disk.force(copy);
        }
        for (Map.Entry<String, String> text : texts.entrySet()) {
            write(whole.resolve(text.getKey()), text.getValue());
        }
        write(whole.resolve(CheckpointConfig.FILE), config.toJson());
        Disk.forceFolder(whole);
        Files.move(whole, target.toAbsolutePath(), StandardCopyOption.ATOMIC_MOVE);
        Disk.forceFolder(Objects.requireNonNull(folder.getParent(), "the root"));
        clear(folder);
    }

    /** In place, so that a kill leaves no part of it: nobody reads the folder before it has its name, and whoever goes on writes it anew. */
    private static void write(Path file, String text) throws IOException {
        Files.writeString(file, text);
        Disk.force(file);
    }

    /** The names of the files, one a line, which make the folder complete. */
    private static void writeNotes(Path rest, List<String> names) throws IOException {
        WholeFile.write(rest.resolve(NOTES), String.join("\n", names) + "\n");
    }

    /**
     * Removes what an interrupted conversion has left.
     *
     * @param target the target
     * @throws IOException if that fails
     */
    public static void discard(Path target) throws IOException {
        Path folder = folderOf(target);
        if (Files.exists(folder)) {
            clear(folder);
            remove(folder);
        }
    }

    /** Everything but the lock. The settings go first: without them the rest counts for nothing. */
    private static void clear(Path folder) throws IOException {
        Files.deleteIfExists(folder.resolve(SETTINGS));
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                if (!file.equals(folder.resolve(LOCK))) {
                    Folders.delete(file);
                }
            }
        }
    }

    private static void remove(Path folder) throws IOException {
        Files.deleteIfExists(folder.resolve(LOCK));
        Files.deleteIfExists(folder);
    }

    /** Told how far copying has come. */
    @FunctionalInterface
    public interface Progress {
        /**
         * Is told.
         *
         * @param done bytes
         * @param total bytes
         */
        void tell(long done, long total);
    }

    /** Ends the work on it; what is finished stays. A draft of which nothing is finished goes. */
    @Override
    public void close() throws IOException {
        try (lock) {
            if (lock.isOpen() && isBlank(folder)) {
                clear(folder);
                remove(folder);
            }
        }
    }
}
