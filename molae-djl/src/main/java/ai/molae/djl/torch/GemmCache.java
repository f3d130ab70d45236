package ai.molae.djl.torch;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import ai.molae.djl.torch.Gemm.Purpose;
import ai.molae.djl.torch.Gemm.Question;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.OptionalLong;
import java.util.Properties;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What {@link GemmMeasurement} found on this machine, in a properties file. A file that cannot be read or written costs a measurement. */
final class GemmCache {

    static final String FOLDER_PROPERTY = "molae.cache";

    /** Raised when the kernels or the way of measuring change. */
    private static final String VERSION = "1";

    private static final Logger logger = LoggerFactory.getLogger(GemmCache.class);

    private final Path file;
    private final String machine;

    GemmCache(Path folder, String machine) {
        this.file = folder.resolve("gemm-" + Integer.toHexString((VERSION + machine).hashCode()) + ".properties");
        this.machine = machine;
    }

    static GemmCache ofThisMachine() {
        String folder = System.getProperty(FOLDER_PROPERTY);
        Path path = folder == null ? Path.of(System.getProperty("user.home"), ".cache", "molae") : Path.of(folder);
        // First the engine: it loads the library that knows the threads.
        String libtorch = Engine.getEngine("PyTorch").getVersion();
        return new GemmCache(path, cpu() + ", " + JniUtils.getNumThreads() + " threads, libtorch " + libtorch);
    }

    String machine() {
        return machine;
    }

    Path file() {
        return file;
    }

    /** The code of an earlier measurement that is still one of the possible ones. */
    OptionalLong get(Question question) {
        String value = read().getProperty(question.toString());
        if (value == null) {
            return OptionalLong.empty();
        }
        try {
            long code = Long.parseLong(value.trim());
            return isPossible(question, code) ? OptionalLong.of(code) : OptionalLong.empty();
        } catch (NumberFormatException e) {
            return OptionalLong.empty();
        }
    }

    private static boolean isPossible(Question question, long code) {
        if (question.purpose() == Purpose.INFERENCE) {
            return Gemm.candidates(question).stream().anyMatch(kernel -> Gemm.code(question, kernel) == code);
        }
        int recorded = (int) (code >> 8) & GemmMeasurement.ALL_ROWS;
        int unrecorded = (int) (code >> 16) & GemmMeasurement.ALL_ROWS;
        return Gemm.byRows(question.precision(), recorded, unrecorded) == code;
    }

    /** Adds an entry; another process may do the same at once. */
    synchronized void put(Question question, long code) {
        Properties entries = read();
        entries.setProperty("machine", machine);
        entries.setProperty(question.toString(), Long.toString(code));
        Path part = file.resolveSibling(
                file.getFileName() + "." + ProcessHandle.current().pid() + ".part");
        try {
            Files.createDirectories(file.getParent());
            try (OutputStream out = Files.newOutputStream(part)) {
                entries.store(out, "How molae multiplies on this machine. Delete it to measure again.");
            }
            Files.move(part, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException | RuntimeException e) {
            logger.debug("cannot keep {}", file, e);
            delete(part);
        }
    }

    private static void delete(Path part) {
        try {
            Files.deleteIfExists(part);
        } catch (IOException | RuntimeException e) {
            logger.debug("cannot delete {}", part, e);
        }
    }

    private Properties read() {
        Properties entries = new Properties();
        try (InputStream in = Files.newInputStream(file)) {
            entries.load(in);
            return machine.equals(entries.getProperty("machine")) ? entries : new Properties();
        } catch (IOException | RuntimeException e) {
            logger.debug("no {}", file, e);
            return new Properties();
        }
    }

    private static String cpu() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("model name"))
                    .map(line -> line.substring(line.indexOf(':') + 1).trim())
                    .findFirst()
                    .orElse(System.getProperty("os.arch"));
        } catch (IOException | RuntimeException e) {
            String windows = System.getenv("PROCESSOR_IDENTIFIER");
            return windows == null ? System.getProperty("os.arch") : windows;
        }
    }
}
