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
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
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

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

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
    public record Gradient(NDArray direct, NDArray surrogate) {

        /**
         * A gradient that is all autograd's.
         *
         * @param x the input
         * @param outputs what was made of it, recorded by autograd
         * @param gradients a gradient per floating-point output
         * @return no direct part, and the sum of the outputs times their gradients
         */
        public static Gradient byAutograd(NDArray x, NDList outputs, NDList gradients) {
            return new Gradient(x.zerosLike(), GradientTape.surrogate(outputs, gradients));
        }
    }

    /** What is run again in the backward pass, and what it reads besides the input. */
    private record Segment(Function<NDList, NDList> operation, NDList constants) {

        /** Runs it with handles of its own, which belong to the manager. */
        NDList run(NDArray x, NDManager manager) {
            NDList inputs = new NDList(view(x, manager));
            constants.forEach(constant -> inputs.add(view(constant, manager)));
            return operation.apply(inputs);
        }
    }

    /** A place where autograd's graph is cut: `before` belongs to the graph below, the leaves are where the graph above ends. */
    private static final class Cut implements AutoCloseable {
        /** Owns everything that was made of the leaf, until the backward pass is through here. */
        final NDManager manager;

        final NDArray before;
        final NDArray leaf;
        final NDList results = new NDList();

        @Nullable
        Function<NDList, Gradient> backward;

        @Nullable
        Segment segment;

        Cut(NDArray x) {
            manager = Engine.getEngine("PyTorch").newBaseManager(x.getDevice());
            before = view(x, manager);
            leaf = x.stopGradient();
            leaf.attach(manager);
            leaf.setRequiresGradient(true);
        }

        /** Makes the outputs leaves of the graph above; returns handles for who goes on with them. */
        NDList take(NDList outputs, NDManager owner) {
            NDList taken = new NDList();
            for (NDArray output : outputs) {
                if (output.getDataType() == DataType.FLOAT32) {
                    output.attach(manager);
                    output.setRequiresGradient(true);
                    results.add(output);
                    taken.add(view(output, owner));
                } else {
                    output.attach(owner);
                    taken.add(output);
                }
            }
            return taken;
        }

        /** The gradients of what was taken, which is then freed. */
        NDList given() {
            NDList given = new NDList();
            results.forEach(result -> given.add(result.getGradient()));
            results.close();
            return given;
        }

        @Override
        public void close() {
            manager.close();
        }
    }

    private final GradientCollector collector;
    private final Deque<Cut> cuts = new ArrayDeque<>();
    private boolean backwardDone;
    private boolean recomputing;

    /**
     * Starts recording on this thread.
     *
     * @throws IllegalStateException if a tape or a collector of DJL is open, on any thread of this process
     */
    public GradientTape() {
        boolean gradients = JniUtils.isGradMode();
        try {
            collector = Engine.getEngine("PyTorch").newGradientCollector();
        } catch (RuntimeException e) {
            JniUtils.setGradMode(gradients); // DJL has switched it on before it refuses
            throw new IllegalStateException(
                    "a GradientTape or GradientCollector is open already, of this thread or of another that trains;"
                            + " one may record at a time in a process: close it, or wait for the other to end",
                    e);
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
        return cut.take(recorded.outputs, x.getManager());
    }

    /**
     * Runs a part of a model and keeps nothing but what it reads; the backward pass runs it again, and then back (Chen et al., arXiv
     * 1604.06174). Both times autograd and this tape record, so that the results and all gradients are those of running it once, bit by
     * bit; the first time what they recorded is dropped at once. The segment may hold operations of this tape, and segments.
     *
     * @param inputs x, float32, which gets a gradient, and arrays that get none, such as a mask; they stay the caller's, and the tape
     *     keeps the memory of all of them. Like what any operation of the tape reads, x must not be used elsewhere without {@link #cut}
     * @param segment makes its results of handles of the inputs, which it may close; it has to give the same both times
     * @return the results, owned by the manager of x; those of float32 have gradients, the others none
     */
    public NDList recompute(NDList inputs, Function<NDList, NDList> segment) {
        NDArray x = inputs.head();
        Cut cut = newCut(x);
        NDList constants = new NDList();
        inputs.subNDList(1).forEach(constant -> constants.add(view(constant, cut.manager)));
        Segment kept = new Segment(segment, constants);
        int below = cuts.size();
        try (NDManager scope = cut.manager.newSubManager()) {
            NDList outputs = new NDList();
            for (NDArray output : kept.run(cut.leaf, scope)) {
                outputs.add(output.stopGradient());
            }
            cut.segment = kept;
            return cut.take(outputs, x.getManager());
        } finally {
            // If the segment failed, its own cut goes too.
            int keep = cut.segment == null ? below - 1 : below;
            while (cuts.size() > keep) {
                cuts.pop().close();
            }
        }
    }

    /**
     * Whether what runs on this thread ran before: in the backward pass of an operation or a segment of the tape, which computes activations
     * again. Who counts something in a forward pass leaves it alone then.
     *
     * @return true between the beginning and the end of such a pass
     */
    public static boolean isRecomputing() {
        GradientTape tape = CURRENT.get();
        return tape != null && tape.recomputing;
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
     * @throws OutOfNativeMemoryException if the memory does not suffice; some gradients have been added then, others not
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
                if (cuts.element().segment != null) {
                    runAgain(cuts.element());
                } else {
                    try (Cut cut = cuts.pop()) {
                        flowBack(cut);
                    }
                }
            }
        } catch (EngineException e) {
            if (String.valueOf(e.getMessage()).contains("backward through the graph a second time")) {
                throw new IllegalStateException(
                        "an array read by an operation of the tape is also used elsewhere; write x = GradientTape.cut(x) before both",
                        e);
            }
            throw OutOfNativeMemoryException.told(e, () -> "the backward pass of a GradientTape");
        }
    }

    /**
     * Records a segment anew and lets the gradients of its results flow into it, down to its last cut. Its cuts now lie above that of its
     * input, which has become an ordinary one.
     */
    private void runAgain(Cut cut) {
        Segment segment = Objects.requireNonNull(cut.segment);
        cut.segment = null;
        try (NDList given = cut.given();
                NDManager scope = cut.manager.newSubManager()) {
            NDList outputs = computingAgain(() -> segment.run(cut.leaf, scope));
            backwardFrom(surrogate(outputs, given));
        }
    }

    /** Frees what it has read as soon as it can: this is where a training step holds most. */
    private void flowBack(Cut cut) {
        NDArray gradient;
        Function<NDList, Gradient> backward = cut.backward;
        if (backward == null) {
            gradient = cut.leaf.getGradient();
        } else {
            NDList given = cut.given();
            Gradient parts = computingAgain(() -> backward.apply(given));
            backwardFrom(parts.surrogate());
            given.close();
            gradient = parts.direct();
            try (NDArray recorded = cut.leaf.getGradient()) {
                gradient.addi(recorded);
            }
            cut.leaf.close();
        }
        CommonOps.OPS.call("flow", cut.before, gradient);
    }

    private <T> T computingAgain(Supplier<T> pass) {
        recomputing = true;
        try {
            return pass.get();
        } finally {
            recomputing = false;
        }
    }

    /** {@code Σ output · gradient} over the floating-point outputs. */
    private static NDArray surrogate(NDList outputs, NDList gradients) {
        NDArray sum = outputs.head().mul(gradients.head()).sum();
        int next = 1;
        for (NDArray output : outputs.subList(1, outputs.size())) {
            if (output.getDataType() == DataType.FLOAT32) {
                sum = sum.add(output.mul(gradients.get(next)).sum());
                next++;
            }
        }
        return sum;
    }

    private static void backwardFrom(NDArray scalar) {
        JniUtils.backward((PtNDArray) scalar, (PtNDArray) scalar.onesLike(), false, false);
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
