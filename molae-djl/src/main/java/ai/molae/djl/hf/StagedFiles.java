package ai.molae.djl.hf;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The small files of a checkpoint, complete beside their places before its tensors are, and renamed after them. While tensors change, the folder
 * has no config: old numbers and new weights never pass for one model.
 */
final class StagedFiles implements AutoCloseable {

    private static final String PART = ".part";

    private final Path folder;
    private final Map<Path, Path> parts = new LinkedHashMap<>();
    private final Path config;
    private final Path oldConfig;

    /**
     * Nothing is staged yet.
     *
     * @param folder where the files will be
     * @param config the name of the one that makes the folder a checkpoint
     */
    StagedFiles(Path folder, String config) {
        this.folder = folder;
        this.config = folder.resolve(config);
        oldConfig = folder.resolve(config + ".old" + PART);
    }

    void copy(Path source) throws IOException {
        Files.copy(source, part(source.getFileName().toString()), StandardCopyOption.REPLACE_EXISTING);
    }

    void write(String name, String text) throws IOException {
        Files.writeString(part(name), text);
    }

    /** Whether a file of this name is to be there afterwards. */
    boolean has(String name) {
        return parts.containsKey(folder.resolve(name));
    }

    private Path part(String name) throws IOException {
        Path file = folder.resolve(name);
        if (Files.isDirectory(file)) {
            throw new IOException(
                    "cannot save " + file + ": a folder of that name is there; remove it or save elsewhere");
        }
        Path part = folder.resolve(name + PART);
        parts.put(file, part);
        return part;
    }

    /** Takes the old config away. */
    void withdrawConfig() throws IOException {
        if (Files.exists(config)) {
            Files.move(config, oldConfig, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Puts the old config back, because the tensors are the old ones still. */
    void restoreConfig() throws IOException {
        if (Files.exists(oldConfig)) {
            Files.move(oldConfig, config, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Renames all files, the config last. */
    void publish() throws IOException {
        for (Map.Entry<Path, Path> part : parts.entrySet()) {
            if (!part.getKey().equals(config)) {
                move(part.getValue(), part.getKey());
            }
        }
        move(folder.resolve(config.getFileName() + PART), config);
    }

    private static void move(Path part, Path file) throws IOException {
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Removes what was staged and not published. */
    @Override
    public void close() throws IOException {
        for (Path part : parts.values()) {
            Files.deleteIfExists(part);
        }
        Files.deleteIfExists(oldConfig);
    }
}
