package ai.molae.djl.train;

import ai.molae.djl.files.Disk;
import ai.molae.djl.files.Folders;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.CausalLm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoints of a run, one folder each: {@code step-0000000200}. A checkpoint is written beside its place, forced to the disk and then renamed,
 * so that whatever has the name of one is complete; a loss of power or {@code kill -9} leaves the one before. One process at a time.
 */
final class CheckpointStore implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(CheckpointStore.class);
    private static final String PART = ".part";
    private static final String OLD = ".old";
    private static final Pattern NAME = Pattern.compile("step-(\\d{10,})");
    private static final Pattern LEFTOVER = Pattern.compile(NAME + "\\.(part|old)");

    /** One of them. */
    record Entry(long step, Path folder) {}

    /** Folders that trainers of this process write into: closing a second handle of a file would give up the process's lock. */
    private static final Set<Path> OPEN = ConcurrentHashMap.newKeySet();

    private final Path folder;
    private final Path realFolder;
    private final CheckpointPolicy policy;
    private final FileChannel lock;
    private Optional<Entry> best = Optional.empty();
    private double bestLoss = Double.POSITIVE_INFINITY;

    private CheckpointStore(Path folder, Path realFolder, CheckpointPolicy policy, FileChannel lock) {
        this.folder = folder;
        this.realFolder = realFolder;
        this.policy = policy;
        this.lock = lock;
    }

    /**
     * Opens a folder, which is made if there is none, and removes what an interrupted process has left half-written.
     *
     * @throws IOException if it cannot be written to, or another trainer has it open
     */
    static CheckpointStore open(Path folder, CheckpointPolicy policy) throws IOException {
        Path real = create(folder);
        if (!OPEN.add(real)) {
            throw inUse(folder);
        }
        try {
            FileChannel lock =
                    FileChannel.open(folder.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                if (lock.tryLock() == null) {
                    throw inUse(folder);
                }
                CheckpointStore store = new CheckpointStore(folder, real, policy, lock);
                store.recover();
                return store;
            } catch (IOException | RuntimeException e) {
                lock.close();
                throw e;
            }
        } catch (IOException | RuntimeException e) {
            OPEN.remove(real);
            throw e;
        }
    }

    private static Path create(Path folder) throws IOException {
        try {
            Files.createDirectories(folder);
            return folder.toRealPath();
        } catch (IOException e) {
            throw new IOException(
                    "cannot write checkpoints into " + folder + ": " + reason(e)
                            + "; choose a folder that this user may write to",
                    e);
        }
    }

    private static IOException inUse(Path folder) {
        return new IOException(
                "another trainer writes into " + folder + "; stop it, or choose another folder for this run");
    }

    private void recover() throws IOException {
        for (Path leftover : matching(LEFTOVER)) {
            String name = leftover.getFileName().toString();
            Path place = folder.resolve(name.substring(0, name.lastIndexOf('.')));
            if (name.endsWith(OLD) && Files.notExists(place)) {
                Files.move(leftover, place, StandardCopyOption.ATOMIC_MOVE);
            } else {
                Folders.delete(leftover);
            }
        }
    }

    private List<Path> matching(Pattern pattern) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file ->
                            pattern.matcher(file.getFileName().toString()).matches())
                    .toList();
        }
    }

    /** All checkpoints in a folder, complete ones by their names, the earliest first. */
    static List<Entry> list(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.flatMap(file -> {
                        Matcher name = NAME.matcher(file.getFileName().toString());
                        return name.matches()
                                ? Stream.of(new Entry(Long.parseLong(name.group(1)), file))
                                : Stream.empty();
                    })
                    .sorted(Comparator.comparingLong(Entry::step))
                    .toList();
        }
    }

    Path folder() {
        return folder;
    }

    /** The latest, if there is one. */
    Optional<Entry> latest() throws IOException {
        List<Entry> all = list(folder);
        return all.isEmpty() ? Optional.empty() : Optional.of(all.get(all.size() - 1));
    }

    /**
     * Refuses to begin a run where there is one.
     *
     * @throws IllegalStateException if the folder holds checkpoints
     */
    void refuseRun() throws IOException {
        Optional<Entry> latest = latest();
        if (latest.isPresent()) {
            throw new IllegalStateException(folder + " holds a run of "
                    + latest.get().step() + " steps; resume() it, or choose another folder for a new one");
        }
    }

    /** A sentence about the checkpoint before one. */
    String before(Entry entry) throws IOException {
        List<Entry> earlier = list(folder).stream()
                .filter(other -> other.step() < entry.step())
                .toList();
        return earlier.isEmpty()
                ? "; there is none before it"
                : "; the one before it is " + earlier.get(earlier.size() - 1).folder()
                        + ", which can be resumed instead";
    }

    /** Whether checkpoints are to be compared by their validation loss. */
    boolean keepsBest() {
        return policy.keepBest();
    }

    /** Whether one is to be written after a step. */
    boolean isDue(long step, Duration sinceLast) {
        return policy.isDue(step, sinceLast);
    }

    /** Puts later checkpoints aside: they belong to steps that will be made again. */
    void abandonAfter(long step) throws IOException {
        for (Entry entry : list(folder)) {
            if (entry.step() > step) {
                Path aside = entry.folder().resolveSibling(entry.folder().getFileName() + ".abandoned");
                Folders.delete(aside);
                Files.move(entry.folder(), aside, StandardCopyOption.ATOMIC_MOVE);
                LOG.warn("{} is later than the one resumed and now called {}", entry.folder(), aside.getFileName());
            }
        }
    }

    /** Notes which checkpoint has the lowest validation loss, after resuming. */
    void findBest() throws IOException {
        best = Optional.empty();
        bestLoss = Double.POSITIVE_INFINITY;
        for (Entry entry : list(folder)) {
            try {
                noteLoss(entry, TrainingCheckpoint.state(entry.folder()).ownLoss());
            } catch (CorruptCheckpointException e) {
                LOG.warn("{}; it is left as it is", e.getMessage());
            }
        }
    }

    private void noteLoss(Entry entry, double loss) {
        if (loss < bestLoss) {
            bestLoss = loss;
            best = Optional.of(entry);
        }
    }

    /**
     * Writes a checkpoint and removes those that are not to be kept any more.
     *
     * @throws IOException if it cannot be written; everything is as before then
     */
    Path write(
            CausalLm model,
            Optimizer optimizer,
            TrainingState state,
            Map<String, String> settings,
            Optional<Checkpoint> original)
            throws IOException {
        String name = String.format(Locale.ROOT, "step-%010d", state.step());
        Path place = folder.resolve(name);
        Path part = folder.resolve(name + PART);
        Path old = folder.resolve(name + OLD);
        try {
            Folders.delete(part);
            TrainingCheckpoint.write(part, model, optimizer, state, settings, original);
            if (Files.exists(place)) {
                Files.move(place, old, StandardCopyOption.ATOMIC_MOVE);
            }
            Files.move(part, place, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException | UncheckedIOException e) {
            throw failed(place, part, old, e);
        }
        Disk.forceFolder(folder);
        Folders.delete(old);
        noteLoss(new Entry(state.step(), place), state.ownLoss());
        prune();
        return place;
    }

    private IOException failed(Path place, Path part, Path old, Exception cause) throws IOException {
        try {
            if (Files.exists(old) && Files.notExists(place)) {
                Files.move(old, place, StandardCopyOption.ATOMIC_MOVE);
            }
            Folders.delete(part);
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
        return new IOException(
                "cannot write the checkpoint " + place + ": " + reason(cause) + "; "
                        + latest().map(entry -> "the one before, " + entry.folder()
                                        + ", is intact; make room or mend the folder, then resume")
                                .orElse("there is none before it"),
                cause);
    }

    private static String reason(Exception e) {
        return e instanceof FileSystemException system && system.getReason() == null
                ? e.toString()
                : String.valueOf(e.getMessage());
    }

    /** Removes what the policy does not keep. */
    private void prune() throws IOException {
        List<Entry> all = list(folder);
        for (Entry entry : all) {
            boolean recent = all.indexOf(entry) >= all.size() - policy.keepLast();
            boolean milestone = policy.keepEverySteps() > 0 && entry.step() % policy.keepEverySteps() == 0;
            boolean lowest = policy.keepBest()
                    && best.filter(b -> b.step() == entry.step()).isPresent();
            if (!recent && !milestone && !lowest) {
                Path gone = entry.folder().resolveSibling(entry.folder().getFileName() + PART);
                Files.move(entry.folder(), gone, StandardCopyOption.ATOMIC_MOVE);
                Folders.delete(gone);
            }
        }
    }

    @Override
    public void close() throws IOException {
        lock.close();
        OPEN.remove(realFolder);
    }
}
