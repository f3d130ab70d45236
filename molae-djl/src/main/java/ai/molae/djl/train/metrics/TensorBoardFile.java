package ai.molae.djl.train.metrics;

import ai.molae.djl.moe.LayerRouting;
import ai.molae.djl.train.LmTrainingListener;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Writes a run as TensorBoard reads it: {@code tensorboard --logdir FOLDER}. Every run has a folder of its own, and every start of it adds a file
 * {@code events.out.tfevents.*}; when it resumes, TensorBoard forgets what earlier files say of later steps.
 *
 * <p>Tags: {@code loss/train}, {@code loss/validation}, {@code loss/aux}, {@code optimizer/gradient_norm}, {@code optimizer/learning_rate}, {@code
 * speed/tokens_per_second} (of the step), {@code speed/flops_utilisation}, {@code memory/native_bytes}, {@code progress/tokens}; and of MoE layers,
 * every so many steps and with the layer's number, {@code router_entropy/layer_03}, {@code balance_loss/}, {@code z_loss/}, {@code imbalance/}, {@code
 * idle_experts/}, {@code dropped/} and the histogram {@code expert_load/}, whose bar from i to i + 1 are the tokens that chose expert i. Numbers
 * that are NaN or infinite are left out.
 *
 * <p>Every event throws an {@link UncheckedIOException} if the file cannot be written. Not thread-safe.
 */
public final class TensorBoardFile implements LmTrainingListener, AutoCloseable {

    /** How often the layers are written unless told otherwise. */
    private static final int ROUTING_STEPS = 10;

    private static final String PREFIX = "events.out.tfevents.";
    private static final Pattern NAME = Pattern.compile(Pattern.quote(PREFIX) + "(\\d{1,18})\\..*");

    private final Path folder;
    private final int routingSteps;
    private @Nullable Path file;
    private @Nullable FileOutputStream out;

    /**
     * Names the folder; the layers are written every ten steps.
     *
     * @param folder the run's folder, made if it is missing
     */
    public TensorBoardFile(Path folder) {
        this(folder, ROUTING_STEPS);
    }

    /**
     * Names the folder; nothing is written before the first event.
     *
     * @param folder the run's folder, made if it is missing
     * @param routingSteps write the layers in steps that are multiples of this, because they take about {@code 16·N} bytes each
     * @throws IllegalArgumentException if {@code routingSteps} is not positive
     */
    public TensorBoardFile(Path folder, int routingSteps) {
        if (routingSteps < 1) {
            throw new IllegalArgumentException("routingSteps must be positive, got " + routingSteps);
        }
        this.folder = folder;
        this.routingSteps = routingSteps;
    }

    /**
     * Begins a file.
     *
     * @param step optimizer steps done before; what files before say of later ones is void
     */
    @Override
    public void onStart(long step) {
        close();
        try {
            Files.createDirectories(folder);
            Path next = folder.resolve(nextName());
            file = next;
            out = new FileOutputStream(next.toFile());
        } catch (IOException e) {
            throw failure(e);
        }
        write(EventRecord.version(now()));
        write(EventRecord.restart(now(), step + 1));
    }

    /** TensorBoard reads the files in the order of their names, so a new one comes after all others, whatever the clock says. */
    private String nextName() throws IOException {
        long seconds = System.currentTimeMillis() / 1000;
        try (Stream<Path> files = Files.list(folder)) {
            for (Path other : (Iterable<Path>) files::iterator) {
                Matcher name = NAME.matcher(other.getFileName().toString());
                if (name.matches()) {
                    seconds = Math.max(seconds, Long.parseLong(name.group(1)) + 1);
                }
            }
        }
        return String.format(
                Locale.ROOT,
                "%s%010d.%s.%d",
                PREFIX,
                seconds,
                host(),
                ProcessHandle.current().pid());
    }

    /** Asking the network for the name may take seconds. */
    private static String host() {
        String name = System.getenv("HOSTNAME");
        return name == null || name.isBlank() ? "localhost" : name.replaceAll("[^A-Za-z0-9-]", "_");
    }

    @Override
    public void onStep(Step step) {
        EventRecord event = new EventRecord(now(), step.step())
                .scalar("loss/train", step.loss())
                .scalar("loss/aux", step.auxLoss())
                .scalar("optimizer/gradient_norm", step.gradientNorm())
                .scalar("optimizer/learning_rate", step.learningRate())
                .scalar("speed/tokens_per_second", step.stepTokens() / step.stepSeconds())
                .scalar("speed/flops_utilisation", step.flopsUtilisation())
                .scalar("progress/tokens", (double) step.tokens());
        step.nativeBytes().ifPresent(bytes -> event.scalar("memory/native_bytes", (double) bytes));
        if (step.step() % routingSteps == 0) {
            add(event, step.routing());
        }
        write(event.framed(), step.step() - 1);
    }

    private static void add(EventRecord event, List<LayerRouting> routing) {
        for (LayerRouting layer : routing) {
            String name = String.format(Locale.ROOT, "/layer_%02d", layer.layer());
            event.scalar("router_entropy" + name, layer.entropy())
                    .scalar("balance_loss" + name, layer.balanceLoss())
                    .scalar("z_loss" + name, layer.zLoss())
                    .scalar("imbalance" + name, layer.load().imbalance())
                    .scalar("idle_experts" + name, layer.load().idleExperts())
                    .scalar("dropped" + name, (double) layer.load().dropped())
                    .bars("expert_load" + name, layer.load().tokensPerExpert());
        }
    }

    @Override
    public void onEvaluation(Evaluation evaluation) {
        EventRecord event = new EventRecord(now(), evaluation.step()).scalar("loss/validation", evaluation.loss());
        write(event.framed(), evaluation.step());
    }

    @Override
    public void beforeCheckpoint(long step) {
        FileOutputStream open = out;
        if (open != null) {
            try {
                open.getFD().sync();
            } catch (IOException e) {
                throw failure(e);
            }
        }
    }

    /** Closes the file; a later event begins another. */
    @Override
    public void close() {
        FileOutputStream open = out;
        out = null;
        if (open != null) {
            try {
                open.close();
            } catch (IOException e) {
                throw failure(e);
            }
        }
    }

    private void write(byte[] record, long stepsBefore) {
        if (out == null) {
            onStart(stepsBefore);
        }
        write(record);
    }

    private void write(byte[] record) {
        FileOutputStream open = out;
        if (open != null) {
            try {
                open.write(record);
            } catch (IOException e) {
                throw failure(e);
            }
        }
    }

    private static double now() {
        return System.currentTimeMillis() / 1e3;
    }

    private UncheckedIOException failure(IOException e) {
        return new UncheckedIOException(
                "TensorBoard's events " + (file == null ? folder : file) + " cannot be written (" + e.getMessage()
                        + "); make room or name another folder, and resume from the last checkpoint",
                e);
    }
}
