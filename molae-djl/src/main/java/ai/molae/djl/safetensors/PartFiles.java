package ai.molae.djl.safetensors;

import ai.molae.djl.files.Disk;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The files of a save under their temporary names, until all are complete. They take their final names one after the other; then what is
 * left of an earlier save goes.
 */
final class PartFiles {

    /** What comes after the name of an incomplete file. */
    static final String PART = ".part";

    /** What comes after the name of the earlier save's index while files that it names are replaced. */
    private static final String OLD = ".old";
    /** The data files of any save of ours, or of Hugging Face's. */
    private static final Pattern DATA_FILE = Pattern.compile("model(-\\d{5,}-of-\\d{5,})?\\.safetensors");
    /** Those, and what a crash may have left of them and of an index. */
    private static final Pattern STALE =
            Pattern.compile(DATA_FILE + "(\\.part)?|model\\.safetensors\\.index\\.json(\\.part|\\.old)?");

    private final Path folder;
    private final List<Path> createdFolders = new ArrayList<>();
    private final Set<String> names = new LinkedHashSet<>();

    /** Opens files for writing; tests put failing ones in its place. */
    interface Opener {
        FileChannel open(Path file) throws IOException;

        /** A file that must not exist, so that no link is followed. */
        static FileChannel createNew(Path file) throws IOException {
            return FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW);
        }
    }

    /** Makes the folder if there is none. */
    PartFiles(Path folder) throws IOException {
        this.folder = folder;
        for (Path missing = folder.toAbsolutePath();
                missing != null && Files.notExists(missing);
                missing = missing.getParent()) {
            createdFolders.add(missing);
        }
        Files.createDirectories(folder);
    }

    /** Begins a file; what a crash has left under its temporary name goes. */
    FileChannel open(String name, Opener opener) throws IOException {
        if (Files.isDirectory(folder.resolve(name))) {
            throw new SafetensorsException(folder.resolve(name), "a folder stands where the file is to be written");
        }
        names.add(name);
        Files.deleteIfExists(part(name));
        return opener.open(part(name));
    }

    /** Where a file stands until it is committed. */
    Path part(String name) {
        return folder.resolve(name + PART);
    }

    /**
     * Gives every file its name, in the order they were begun. If a shard of the same name is replaced, the index that stands there is
     * taken away first: after a crash in between, old and new shards are not taken for one checkpoint.
     *
     * @throws IOException if it fails; files that already have their names keep them, and so do the parts of the others
     */
    void commit() throws IOException {
        Path index = folder.resolve(ShardIndex.FILE_NAME);
        Path oldIndex = folder.resolve(ShardIndex.FILE_NAME + OLD);
        boolean aside = Files.exists(index, LinkOption.NOFOLLOW_LINKS)
                && names.stream().anyMatch(name -> isData(name) && Files.exists(folder.resolve(name)));
        if (aside) {
            Files.move(index, oldIndex, StandardCopyOption.ATOMIC_MOVE);
        }
        List<String> pending = new ArrayList<>(names);
        try {
            while (!pending.isEmpty()) {
                String name = pending.get(0);
                Files.move(part(name), folder.resolve(name), StandardCopyOption.ATOMIC_MOVE);
                pending.remove(0);
            }
        } catch (IOException e) {
            if (pending.size() < names.size()) {
                names.clear(); // complete and part of a checkpoint that is half in place: whoever mends it needs them
                throw new SafetensorsException(
                        folder,
                        "the new checkpoint is complete, but could not take its place; rename by hand what is still called *"
                                + PART + ": " + pending + ". Cause: " + e,
                        e);
            }
            if (aside) {
                Files.move(oldIndex, index, StandardCopyOption.ATOMIC_MOVE);
            }
            throw e;
        }
        Disk.forceFolder(folder); // before the old checkpoint goes
        removeStale();
        names.clear();
        createdFolders.clear();
        Disk.forceFolder(folder);
    }

    private static boolean isData(String name) {
        return DATA_FILE.matcher(name).matches();
    }

    /** Removes the index, if there is no new one, before the shards that it names. */
    private void removeStale() throws IOException {
        List<Path> stale;
        try (Stream<Path> files = Files.list(folder)) {
            stale = files.filter(file -> {
                        String name = String.valueOf(file.getFileName());
                        return STALE.matcher(name).matches() && !names.contains(name);
                    })
                    .filter(file -> !Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS))
                    .sorted(Comparator.comparing(file -> !file.endsWith(ShardIndex.FILE_NAME)))
                    .toList();
        }
        for (Path file : stale) {
            Files.delete(file);
        }
    }

    /** Removes everything of a save that is not committed. */
    void discard() throws IOException {
        for (String name : names) {
            Files.deleteIfExists(part(name));
        }
        names.clear();
        for (Path created : createdFolders) {
            try (Stream<Path> entries = Files.list(created)) {
                if (entries.findAny().isPresent()) {
                    break;
                }
            }
            Files.delete(created);
        }
        createdFolders.clear();
    }
}
