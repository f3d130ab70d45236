package ai.molae.djl.moe;

import ai.djl.nn.Block;
import ai.djl.training.Trainer;
import ai.djl.training.listener.TrainingListenerAdapter;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Shows DJL users what the routers of a model do: a {@link RouterMonitor} around every batch that {@link ai.djl.training.EasyTrain} trains on.
 *
 * <pre>{@code
 * config.addTrainingListeners(new RouterListener(layers -> layers.forEach(System.out::println)));
 * }</pre>
 *
 * <p>Layers are numbered by the children of the trainer's block, so those of a {@code CausalLm} by its decoder layers. Listens from the making of the
 * trainer until it is closed, on the thread that made it or, from the second batch on, trains. Batches that a trainer with an executor splits over
 * several devices are not seen. Serves one trainer.
 */
public final class RouterListener extends TrainingListenerAdapter {

    private final Consumer<List<LayerRouting>> consumer;
    private final double gamma;
    private @Nullable RouterMonitor monitor;

    /**
     * A listener.
     *
     * @param consumer told after every training batch, before the optimizer's step, of each MoE layer
     */
    public RouterListener(Consumer<List<LayerRouting>> consumer) {
        this(consumer, 0);
    }

    /**
     * A listener that balances the layers that have a correction bias ({@link CorrectionBias}).
     *
     * @param consumer told after every training batch
     * @param gamma how much a bias changes with every batch; 0 for none
     * @throws IllegalArgumentException if γ is negative or not finite
     */
    public RouterListener(Consumer<List<LayerRouting>> consumer, double gamma) {
        if (!Double.isFinite(gamma) || gamma < 0) {
            throw new IllegalArgumentException("gamma must be finite and at least 0, got " + gamma);
        }
        this.consumer = consumer;
        this.gamma = gamma;
    }

    @Override
    public void onTrainingBegin(Trainer trainer) {
        restart();
    }

    @Override
    public void onTrainingBatch(Trainer trainer, BatchData batchData) {
        RouterMonitor watched = monitor;
        restart();
        List<Block> layers = RouterMonitor.layersOf(trainer.getModel().getBlock());
        List<LayerRouting> routing = watched == null ? List.of() : watched.layers(layers);
        if (watched != null && gamma > 0) {
            CorrectionBias.update(layers, watched, gamma);
        }
        if (!routing.isEmpty()) {
            consumer.accept(routing);
        }
    }

    @Override
    public void onTrainingEnd(Trainer trainer) {
        stop();
    }

    private void restart() {
        stop();
        monitor = new RouterMonitor();
    }

    private void stop() {
        if (monitor != null) {
            monitor.close();
            monitor = null;
        }
    }
}
