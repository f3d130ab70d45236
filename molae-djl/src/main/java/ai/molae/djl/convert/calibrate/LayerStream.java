package ai.molae.djl.convert.calibrate;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.djl.training.ParameterStore;
import ai.molae.djl.hf.Checkpoint;
import ai.molae.djl.lm.DecoderLayer;
import ai.molae.djl.torch.NoGrad;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The hidden states of text on its way through a checkpoint, layer by layer, so that one layer is in memory at a time:
 *
 * <pre>{@code
 * try (LayerStream stream = LayerStream.open(checkpoint, windows, 8, Device.cpu())) {
 *     for (int i = 0; i < checkpoint.spec().numLayers(); i++) {
 *         try (NDManager manager = NDManager.newBaseManager(stream.device(), "PyTorch")) {
 *             DecoderLayer layer = checkpoint.loadLayer(i, manager, Precision.FLOAT32);
 *             stream.attend(layer);                          // h += self_attn(input_layernorm(h))
 *             stream.forEachInput(x -> ...);                 // post_attention_layernorm(h), what layer.feedForward() reads
 *             stream.complete(layer.feedForward());          // h += mlp(...), or another block in its place
 *         }
 *     }
 * }
 * }</pre>
 *
 * <p>After the last layer the norm and the head of the model make its logits of {@link #forEachState}. This builds no autograd graph; who reads has the
 * gradient mode of the caller. Memory is 4 n bytes for each token, and what one batch needs. Not thread-safe.
 */
public final class LayerStream implements AutoCloseable {

    private final NDManager manager;
    private final ParameterStore parameterStore;
    private final int hiddenSize;
    private final int sequenceLength;
    private final long tokens;
    private final List<NDArray> states = new ArrayList<>();
    /** The layer between attend and complete. */
    private Optional<DecoderLayer> current = Optional.empty();

    private Runnable listener = () -> {};

    /** Whether a layer failed in the middle, so that batches stand in different places. */
    private boolean failed;

    private LayerStream(NDManager manager, int hiddenSize, List<int[]> windows) {
        this.manager = manager;
        this.hiddenSize = hiddenSize;
        parameterStore = new ParameterStore(manager, false);
        sequenceLength = windows.get(0).length;
        tokens = (long) windows.size() * sequenceLength;
    }

    /**
     * Embeds windows of tokens, each a sequence of its own that begins at position 0. Of the embedding, the rows they need are in memory meanwhile.
     *
     * @param checkpoint the model; open until this returns
     * @param windows at least one, all of one length; see {@link CalibrationWindows}
     * @param batchSize B, windows that go through a layer together
     * @param device where the states are and layers have to be
     * @return the stream, the caller's to close
     * @throws IllegalArgumentException if there is no window, lengths differ or are greater than the model reads, a token is not of the
     *     vocabulary, or the batch size is not positive
     * @throws java.io.UncheckedIOException if reading fails
     */
    public static LayerStream open(Checkpoint checkpoint, List<int[]> windows, int batchSize, Device device) {
        CalibrationWindows.check(windows, checkpoint.spec());
        if (batchSize < 1) {
            throw new IllegalArgumentException("batchSize must be positive, got " + batchSize);
        }
        NDManager manager = NDManager.newBaseManager(device, "PyTorch");
        try {
            LayerStream stream = new LayerStream(manager, checkpoint.spec().hiddenSize(), windows);
            try (Embedding embedding = Embedding.of(checkpoint, windows, manager)) {
                for (int first = 0; first < windows.size(); first += batchSize) {
                    int end = Math.min(windows.size(), first + batchSize);
                    stream.states.add(embedding.of(manager, windows.subList(first, end)));
                }
            }
            return stream;
        } catch (RuntimeException e) {
            manager.close();
            throw e;
        }
    }

    /**
     * Where the states are.
     *
     * @return the device
     */
    public Device device() {
        return manager.getDevice();
    }

    /**
     * How many tokens go through.
     *
     * @return windows times their length
     */
    public long tokens() {
        return tokens;
    }

    /**
     * How long a window is.
     *
     * @return S
     */
    public int sequenceLength() {
        return sequenceLength;
    }

    /**
     * How many batches go through.
     *
     * @return windows by the batch size, rounded up
     */
    public int batches() {
        return states.size();
    }

    /**
     * Is told before a batch goes through {@link #attend}, {@link #forEachInput} or {@link #complete}: to show progress, or to stop by an exception, after which
     * the stream is of no use.
     *
     * @param listener is told, on the working thread
     * @return this stream
     */
    public LayerStream onBatch(Runnable listener) {
        this.listener = listener;
        return this;
    }

    /**
     * The attention of the next layer: {@code h += self_attn(input_layernorm(h))}.
     *
     * @param layer the layer, on the device of this; open until {@link #complete} returns
     * @throws IllegalStateException if the layer before is not complete, or failed
     */
    public void attend(DecoderLayer layer) {
        checkWhole();
        if (current.isPresent()) {
            throw new IllegalStateException("the feed-forward part of the layer before is missing; complete it first");
        }
        change(h -> layer.attend(parameterStore, h));
        current = Optional.of(layer);
    }

    /**
     * What the feed-forward part of the layer reads, batch after batch; may be called any number of times, with the same numbers.
     *
     * @param consumer reads {@code [B S, n]} float32, which is closed afterwards with whatever was attached to its manager
     * @throws IllegalStateException if no layer has attended
     */
    public void forEachInput(Consumer<NDArray> consumer) {
        DecoderLayer layer = layer();
        for (NDArray h : states) {
            listener.run();
            try (NDManager scope = manager.newSubManager()) {
                NDArray x = input(scope, layer, h).reshape(-1, hiddenSize);
                x.attach(scope);
                consumer.accept(x);
            }
        }
    }

    /**
     * The feed-forward part of the layer: {@code h += feedForward(post_attention_layernorm(h))}.
     *
     * @param feedForward the layer's own, or what takes its place; reads {@code [B, S, n]} and returns the same shape first
     * @throws IllegalStateException if no layer has attended
     */
    public void complete(Block feedForward) {
        DecoderLayer layer = layer();
        change(h -> {
            try (NDManager scope = manager.newSubManager()) {
                NDList inputs = new NDList(input(scope, layer, h));
                NDList outputs = feedForward.forward(parameterStore, inputs, false);
                outputs.attach(scope);
                return h.add(outputs.head());
            }
        });
        current = Optional.empty();
    }

    /**
     * The residual stream as it stands, batch after batch.
     *
     * @param consumer reads h {@code [B, S, n]} float32, which stays this stream's: neither to be closed nor changed
     * @throws IllegalStateException if a layer failed
     */
    public void forEachState(Consumer<NDArray> consumer) {
        checkWhole();
        states.forEach(consumer);
    }

    private NDArray input(NDManager scope, DecoderLayer layer, NDArray h) {
        NDArray x = layer.feedForwardInput(parameterStore, h);
        x.attach(scope);
        return x;
    }

    private DecoderLayer layer() {
        checkWhole();
        return current.orElseThrow(() -> new IllegalStateException("no layer has attended; call attend(layer) first"));
    }

    private void checkWhole() {
        if (failed) {
            throw new IllegalStateException("a layer failed in the middle of the batches; open a new stream");
        }
    }

    /** A step of every batch. */
    private interface Step {
        NDArray apply(NDArray h);
    }

    private void change(Step step) {
        failed = true;
        try (NoGrad noGrad = new NoGrad()) {
            for (int i = 0; i < states.size(); i++) {
                listener.run();
                try (NDArray before = states.get(i)) {
                    states.set(i, step.apply(before));
                }
            }
        }
        failed = false;
    }

    /** Frees the states. */
    @Override
    public void close() {
        manager.close();
    }
}
