package ai.molae.djl.train.metrics;

import ai.molae.djl.files.Shown;
import ai.molae.djl.train.LmTrainingListener;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * Writes every step and evaluation as a line of JSON, {@code metrics.jsonl}. A line is in the file when the event returns, and on the disk after
 * the next checkpoint. A run that resumes goes on in the same file: lines of later steps than the one it resumes from, and a last
 * line that was written in part, are cut off first.
 *
 * <p>Keys, all units as in {@link LmTrainingListener.Step}; a number that is unknown, NaN or infinite is {@code null}:
 *
 * <pre>
 *   a step        step, steps, loss, aux_loss, gradient_norm, learning_rate, tokens, step_tokens, step_seconds, seconds,
 *                 tokens_per_second (of this step), flops_utilisation, native_bytes; and, if the model has MoE layers, with an element for each:
 *                 layer, expert_load [layers][experts], imbalance, idle_experts, dropped, router_entropy, balance_loss, z_loss
 *   an evaluation step, validation_loss, validation_tokens
 * </pre>
 *
 * <p>Every event throws an {@link UncheckedIOException} if the file cannot be written. Not thread-safe.
 */
public final class MetricsFile implements LmTrainingListener, AutoCloseable {

    /** The name that the file usually has. */
    public static final String NAME = "metrics.jsonl";

    private final Path file;
    private @Nullable FileOutputStream out;

    /**
     * Names the file; nothing is written before the first event.
     *
     * @param file the file, which may exist if the run resumes; its folder is made if it is missing
     */
    public MetricsFile(Path file) {
        this.file = file;
    }

    /**
     * Goes on after a step of the run, or begins the file.
     *
     * @param step optimizer steps done before; lines of later ones are cut off
     * @throws IllegalArgumentException if the file exists and begins with something else than metrics; it is left as it is
     */
    @Override
    public void onStart(long step) {
        close();
        try {
            Path folder = file.toAbsolutePath().getParent();
            if (folder != null) {
                Files.createDirectories(folder);
            }
            // A device or a pipe has no past.
            if (Files.isRegularFile(file)) {
                cut(keptBytes(step));
            }
            out = new FileOutputStream(file.toFile(), true);
        } catch (IOException e) {
            throw failure("opened", e);
        }
    }

    /** Where the first line begins that is of a later step or not whole. */
    private long keptBytes(long step) throws IOException {
        long kept = 0;
        try (LineReader lines = new LineReader(file)) {
            for (byte[] line = lines.next(); line != null; line = lines.next()) {
                long of = MetricsLine.step(new String(line, StandardCharsets.UTF_8));
                if (of == MetricsLine.NO_STEP && kept == 0) {
                    throw foreign();
                }
                if (of == MetricsLine.NO_STEP || of > step) {
                    break;
                }
                kept = lines.position();
            }
        }
        if (kept == 0 && Files.size(file) > 0 && !MetricsLine.beginsLikeOne(file)) {
            throw foreign();
        }
        return kept;
    }

    private IllegalArgumentException foreign() {
        return new IllegalArgumentException(
                file + " exists and holds no training metrics; name another file, or move it away");
    }

    private void cut(long bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(bytes);
            channel.force(true);
        }
    }

    @Override
    public void onStep(Step step) {
        write(MetricsLine.of(step), step.step() - 1);
    }

    @Override
    public void onEvaluation(Evaluation evaluation) {
        write(MetricsLine.of(evaluation), evaluation.step());
    }

    /** Writes a line; whoever evaluates before training starts has not said where it starts. */
    private void write(String line, long stepsBefore) {
        if (out == null) {
            onStart(stepsBefore);
        }
        FileOutputStream open = out;
        if (open != null) {
            try {
                open.write((line + "\n").getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw failure("written", e);
            }
        }
    }

    @Override
    public void beforeCheckpoint(long step) {
        FileOutputStream open = out;
        if (open != null) {
            try {
                open.getFD().sync();
            } catch (IOException e) {
                throw failure("written to the disk", e);
            }
        }
    }

    /** Closes the file; a later event opens it again. */
    @Override
    public void close() {
        FileOutputStream open = out;
        out = null;
        if (open != null) {
            try {
                open.close();
            } catch (IOException e) {
                throw failure("closed", e);
            }
        }
    }

    private UncheckedIOException failure(String what, IOException e) {
        return new UncheckedIOException(
                "the training metrics " + file + " cannot be " + what + " (" + e.getMessage()
                        + "); make room or name another file, and resume from the last checkpoint",
                e);
    }

    /**
     * Tells a listener the steps and evaluations of a file, in their order, as the trainer told them. Reads line by line, so that a file of any size
     * needs little memory. A last line that is not complete is left out: somebody may be writing it.
     *
     * @param file a file of this class
     * @param listener told of steps and evaluations only
     * @throws IllegalArgumentException if a line is not what this class writes; the message has its number
     * @throws UncheckedIOException if the file cannot be read
     */
    public static void replay(Path file, LmTrainingListener listener) {
        try (LineReader lines = new LineReader(file)) {
            long number = 1;
            for (byte[] line = lines.next(); line != null; line = lines.next()) {
                try {
                    MetricsLine.tell(new String(line, StandardCharsets.UTF_8), listener);
                } catch (IllegalArgumentException e) {
                    throw new IllegalArgumentException(
                            "line " + number + " of " + file + " is no training metrics: "
                                    + Shown.message(e.getMessage()),
                            e);
                }
                number++;
            }
        } catch (IOException e) {
            throw new UncheckedIOException("the training metrics " + file + " cannot be read: " + e.getMessage(), e);
        }
    }
}
