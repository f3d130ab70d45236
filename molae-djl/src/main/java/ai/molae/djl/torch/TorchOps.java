package ai.molae.djl.torch;

import ai.djl.MalformedModelException;
import ai.djl.Model;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.ParameterStore;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * Operations written in TorchScript, so that all of libtorch's operators can be used and autograd flows through them. DJL binds about a
 * tenth of them.
 *
 * <p>The methods stand in a {@code .py} resource beside the class that uses them, indented by two spaces as members of a module class, and
 * are compiled on the first call; those of {@code common.py} beside this class stand before them. They take tensors and return a tensor or a
 * tuple of tensors; for other arguments see {@link TorchArguments}. Whatever leaves a method must be float32, int64 or bool: DJL aborts the JVM on bfloat16.
 *
 * <p>Thread-safe. Works on CPU and GPU arrays alike. Turns libtorch's TorchScript graph optimizer off on the calling thread (unless
 * {@code -Dai.djl.pytorch.graph_optimizer} says otherwise): with it, mixed training and inference calls fail.
 */
public final class TorchOps {

    static {
        Telemetry.optOut(); // before anything here starts the engine
    }

    /** Methods are chosen by the name of one more input array, whose content does not matter. */
    private static final String SELECTOR_PREFIX = "module_method:";

    /** Methods that every other resource may call. */
    private static final String COMMON = "common.py";

    private final Class<?> anchor;
    private final List<String> resources;
    private final Map<String, NDArray> selectors = new ConcurrentHashMap<>();
    /** Not just its block: the model's finalizer frees the native module. */
    private volatile @Nullable Model model;

    /** Of the module's packed weights: many calls may read them at a time, one alone may open or free some. */
    private final ReadWriteLock weights = new ReentrantReadWriteLock();

    /**
     * Names resources; nothing is loaded yet.
     *
     * @param anchor the class beside which the resources stand
     * @param resources the file names of the TorchScript sources, which become one module
     */
    public TorchOps(Class<?> anchor, String... resources) {
        this.anchor = anchor;
        this.resources = List.of(resources);
    }

    /**
     * Calls a method under the current gradient mode.
     *
     * @param method the name of the method
     * @param inputs its arguments; the first is an activation, whose manager will own the results. An array whose name ends in {@code []}
     *     becomes an element of a list argument; other names must not contain a dot or brackets
     * @return the results, owned by the manager of the first input
     * @throws OutOfNativeMemoryException if the memory does not suffice
     * @throws EngineException if libtorch refuses the call
     */
    public NDList call(String method, NDArray... inputs) {
        Model loaded = model();
        NDList arguments = new NDList(inputs);
        arguments.add(selectors.computeIfAbsent(method, name -> selector(loaded.getNDManager(), name)));
        JniUtils.setGraphExecutorOptimize(false);
        ParameterStore none = new ParameterStore(inputs[0].getManager(), false);
        // Always "training": otherwise DJL runs under InferenceMode, whose tensors can never meet autograd again.
        try {
            return loaded.getBlock().forward(none, arguments, true);
        } catch (EngineException e) {
            throw OutOfNativeMemoryException.told(
                    e, () -> method + " of arrays " + OutOfNativeMemoryException.shapes(inputs));
        }
    }

    /** The lock that calls hold which read packed weights of this module or, alone, open or free some. */
    ReadWriteLock weights() {
        return weights;
    }

    /**
     * Takes a newly made array that many calls will share out of the {@link NDScope} that happens to be open, which would close it.
     *
     * @param array the array
     * @return the same array
     */
    public static NDArray lasting(NDArray array) {
        NDScope.unregister(array);
        return array;
    }

    private static NDArray selector(NDManager manager, String method) {
        NDArray array = lasting(manager.create(0f));
        array.setName(SELECTOR_PREFIX + method);
        return array;
    }

    private Model model() {
        Model loaded = model;
        if (loaded == null) {
            synchronized (this) {
                loaded = model;
                if (loaded == null) {
                    loaded = load();
                    model = loaded;
                }
            }
        }
        return loaded;
    }

    private Model load() {
        NativeMemory.keepFreed();
        StringBuilder methods = new StringBuilder(source(TorchOps.class, COMMON));
        resources.forEach(resource -> methods.append('\n').append(source(anchor, resource)));
        Model loaded = Model.newInstance(name(), "PyTorch");
        try {
            loaded.load(new ByteArrayInputStream(TorchArchive.of(methods.toString())));
            return loaded;
        } catch (MalformedModelException | EngineException | IOException e) {
            loaded.close();
            throw new IllegalStateException("libtorch does not load " + name(), e);
        }
    }

    private String name() {
        return String.join(" + ", resources);
    }

    private static String source(Class<?> anchor, String resource) {
        try (InputStream source = anchor.getResourceAsStream(resource)) {
            if (source == null) {
                throw new IllegalStateException("no resource " + resource + " beside " + anchor.getName());
            }
            return new String(source.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
