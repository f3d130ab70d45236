package ai.molae.djl.torch;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A gradient collector under which operations bring a backward pass of their own, which libtorch's autograd cannot take from Java: kernels that
 * write gradients in place, and activation recomputation. Use it where DJL's own would stand:
 *
 * <pre>{@code
 * try (GradientTape tape = new GradientTape()) {
 *     NDArray loss = ...;       // forward passes of blocks, with training = true
 *     tape.backward(loss);
 * }
 * }</pre>
 *
 * <p>Autograd's graph is cut where such an operation reads and writes. {@link #backward} runs autograd down to the last cut, the operation's own backward
 * pass, autograd again, and so on. Therefore an array that such an operation reads must not be used elsewhere as well, or autograd would pass through what made it
 * twice; libtorch refuses that, and {@link #cut} is the remedy: in {@code h = GradientTape.cut(h); y = h + moe(norm(h))} all uses of h
 * come together before what made h is reached. Parameters and other leaves may be used anywhere.
 *
 * <p>{@link #backward} runs once. One tape per process, like every collector of DJL, used by the thread that opened it. An NDScope around
 * the forward pass must be around {@code backward} too: it closes what the tape keeps.
 */
public final class GradientTape implements GradientCollector {

    private static final ThreadLocal<@Nullable GradientTape> CURRENT = new ThreadLocal<>();

    /** What an operation made of its input, and how gradients go back. */
    public static final class Recorded {
        private final NDList outputs;
        private final Function<NDList, Gradient> backward;

        /**
         * Pairs results with their backward pass.
         *
         * @param outputs the results, without a graph
         * @param backward takes a gradient per floating-point output, adds to those of parameters, and returns that of the input
         */
        public Recorded(NDList outputs, Function<NDList, Gradient> backward) {
            this.outputs = outputs;
            this.backward = backward;
        }
    }

    /**
     * The gradient of an operation's input, in two parts that are added up.
     *
     * @param direct worked out by the operation itself, of the shape of the input
     * @param surrogate a scalar whose gradient autograd works out: the sum of what autograd recorded of the input, times its gradients
     */
    public record Gradient(NDArray direct, NDArray surrogate) {}

    /** A place where autograd's graph is cut: `before` belongs to the graph below, the leaves are where the graph above ends. */
    private static final class Cut implements AutoCloseable {
        /** Owns everything that was made of the leaf, until the backward pass is through here. */
        final NDManager manager;

        final NDArray before;
        final NDArray leaf;
        final NDList results = new NDList();

        @Nullable
        Function<NDList, Gradient> backward;

        Cut(NDArray x) {
            manager = Engine.getEngine("PyTorch").newBaseManager(x.getDevice());
            before = view(x, manager);
            leaf = x.stopGradient();
            leaf.attach(manager);
            leaf.setRequiresGradient(true);
        }

        @Override
        public void close() {
            manager.close();
        }
    }

    private final GradientCollector collector;
    private final Deque<Cut> cuts = new ArrayDeque<>();
    private boolean backwardDone;

    /** Starts recording on this thread. */
    public GradientTape() {
        boolean gradients = JniUtils.isGradMode();
        try {
            collector = Engine.getEngine("PyTorch").newGradientCollector();
        } catch (RuntimeException e) {
            JniUtils.setGradMode(gradients); // DJL has switched it on before it refuses
            throw e;
        }
        CURRENT.set(this);
    }

    /**
     * The tape open on this thread.
     *
     * @return the tape, or empty
     */
    public static Optional<GradientTape> current() {
        return Optional.ofNullable(CURRENT.get());
    }

    /**
     * Whether this thread computes a forward pass a second time, for a backward pass that has not kept what it needs: then nothing is counted
     * again.
     *
     * @return true inside such a pass
     */
    public static boolean isRecomputing() {
        return false;
    }

    /**
     * Lets an array be read by an operation of this tape and by others.
     *
     * @param x an array; use the result in its place from here on
     * @return the same values, owned by the manager of x; x itself if no tape is open on this thread or autograd is off
     */
    public static NDArray cut(NDArray x) {
        GradientTape tape = CURRENT.get();
        if (tape == null || !JniUtils.isGradMode()) {
            return x;
        }
        Cut cut = tape.newCut(x);
        return view(cut.leaf, x.getManager());
    }

    /**
     * Runs an operation with a backward pass of its own.
     *
     * @param x what it reads
     * @param operation makes its results of a leaf with the values of x
     * @return the results, owned by the manager of x
     */
    public NDList record(NDArray x, Function<NDArray, Recorded> operation) {
        Cut cut = newCut(x);
        Recorded recorded = operation.apply(cut.leaf);
        cut.backward = recorded.backward;
        NDList outputs = new NDList();
        for (NDArray output : recorded.outputs) {
            if (output.getDataType() == DataType.FLOAT32) {
                output.attach(cut.manager);
                output.setRequiresGradient(true);
                cut.results.add(output);
                outputs.add(view(output, x.getManager()));
            } else {
                output.attach(x.getManager());
                outputs.add(output);
            }
        }
        return outputs;
    }

    private Cut newCut(NDArray x) {
        Cut cut = new Cut(x);
        cuts.push(cut);
        return cut;
    }

    /** The same array in the graph, as a handle of its own. */
    private static NDArray view(NDArray array, NDManager manager) {
        NDArray view = array.reshape(array.getShape());
        view.attach(manager);
        return view;
    }

    /**
     * Adds the gradients of a scalar to those of all parameters and leaves it depends on. Once per tape, like the graph.
     *
     * @param target a float32 scalar
     * @throws IllegalStateException if called a second time, or if an array that an operation of this tape reads is used elsewhere without {@link #cut}
     */
    @Override
    public void backward(NDArray target) {
        if (backwardDone) {
            throw new IllegalStateException(
                    "this GradientTape has run backward; add the losses up and call it once, or open another tape");
        }
        backwardDone = true;
        try {
            collector.backward(target);
            while (!cuts.isEmpty()) {
                try (Cut cut = cuts.pop()) {
                    flowBack(cut);
                }
            }
        } catch (EngineException e) {
            if (String.valueOf(e.getMessage()).contains("backward through the graph a second time")) {
                throw new IllegalStateException(
                        "an array read by an operation of the tape is also used elsewhere; write x = GradientTape.cut(x) before both",
                        e);
            }
            throw e;
        }
    }

    /** Frees what it has read as soon as it can: this is where a training step holds most. */
    private static void flowBack(Cut cut) {
        NDArray gradient;
        if (cut.backward == null) {
            gradient = cut.leaf.getGradient();
        } else {
            NDList given = new NDList();
            cut.results.forEach(result -> given.add(result.getGradient()));
            cut.results.close();
            Gradient parts = cut.backward.apply(given);
            NDArray surrogate = parts.surrogate();
            JniUtils.backward((PtNDArray) surrogate, (PtNDArray) surrogate.onesLike(), false, false);
            given.close();
            gradient = parts.direct();
            try (NDArray recorded = cut.leaf.getGradient()) {
                gradient.addi(recorded);
            }
            cut.leaf.close();
        }
        CommonOps.OPS.call("flow", cut.before, gradient);
    }

    @Override
    public void zeroGradients() {
        collector.zeroGradients();
    }

    /** Stops recording. */
    @Override
    public void close() {
        CURRENT.remove();
        cuts.forEach(Cut::close);
        cuts.clear();
        collector.close();
    }
}
