package ai.molae.djl.safetensors;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;

/** The files of a checkpoint folder: which they are, and that they hold what the index says. */
final class Shards {

    static final String SINGLE_FILE = "model.safetensors";

    private static final int SHOWN_FILES = 5;

    private Shards() {}

    /** Opens the files, in the order of their names. */
    static List<SafetensorsFile> open(Path folder) throws IOException {
        List<SafetensorsFile> files = new ArrayList<>();
        try {
            Path index = folder.resolve(ShardIndex.FILE_NAME);
            if (Files.exists(index)) {
                openShards(index, ShardIndex.read(index), files);
            } else {
                files.add(SafetensorsFile.open(onlyFile(folder)));
            }
            return files;
        } catch (Throwable e) {
            close(files);
            throw e;
        }
    }

    private static void openShards(Path index, Map<String, String> shards, List<SafetensorsFile> files)
            throws IOException {
        TreeSet<String> names = new TreeSet<>(shards.values());
        for (String name : names) {
            Path path = resolve(index, name);
            if (!Files.isRegularFile(path)) {
                throw new SafetensorsException(
                        index,
                        "shard " + TensorSpec.shown(name) + ", one of " + names.size()
                                + ", is missing; download it again");
            }
            files.add(SafetensorsFile.open(path));
        }
        check(index, shards, files);
    }

    private static Path resolve(Path index, String name) throws SafetensorsException {
        try {
            return index.resolveSibling(name);
        } catch (InvalidPathException e) {
            throw new SafetensorsException(
                    index, "shard " + TensorSpec.shown(name) + " is no file name on this system", e);
        }
    }

    private static Path onlyFile(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new SafetensorsException(folder, "there is no such folder");
        }
        Path single = folder.resolve(SINGLE_FILE);
        if (Files.exists(single)) {
            return single;
        }
        try (Stream<Path> entries = Files.list(folder)) {
            List<Path> found = entries.filter(path -> path.toString().endsWith(ShardIndex.SUFFIX))
                    .sorted()
                    .toList();
            if (found.size() != 1) {
                throw new SafetensorsException(
                        folder,
                        "a checkpoint is " + ShardIndex.FILE_NAME + " with its shards, " + SINGLE_FILE
                                + " or one other " + ShardIndex.SUFFIX + " file; there are " + found.size() + ": "
                                + found.stream()
                                        .map(Path::getFileName)
                                        .limit(SHOWN_FILES)
                                        .toList());
            }
            return found.get(0);
        }
    }

    private static void check(Path index, Map<String, String> shards, List<SafetensorsFile> files)
            throws SafetensorsException {
        Map<String, String> found = new LinkedHashMap<>();
        for (SafetensorsFile file : files) {
            String shard = String.valueOf(file.path().getFileName());
            for (String name : file.tensors().keySet()) {
                String tensor = "tensor " + TensorSpec.shown(name);
                String other = found.put(name, shard);
                if (other != null) {
                    throw new SafetensorsException(index, tensor + " is in two shards, " + other + " and " + shard);
                }
                String listed = shards.get(name);
                if (listed == null) {
                    throw new SafetensorsException(
                            index, tensor + " of " + shard + " is none of the " + shards.size() + " of the index");
                }
                if (!listed.equals(shard)) {
                    throw new SafetensorsException(index, tensor + " is in " + shard + ", the index says in " + listed);
                }
            }
        }
        for (Map.Entry<String, String> entry : shards.entrySet()) {
            if (!found.containsKey(entry.getKey())) {
                throw new SafetensorsException(
                        index,
                        "tensor " + TensorSpec.shown(entry.getKey()) + " is not in " + entry.getValue()
                                + ", where the index says it is");
            }
        }
    }

    static void close(List<SafetensorsFile> files) throws IOException {
        IOException failed = null;
        for (SafetensorsFile file : files) {
            try {
                file.close();
            } catch (IOException e) {
                failed = e;
            }
        }
        if (failed != null) {
            throw failed;
        }
    }
}
