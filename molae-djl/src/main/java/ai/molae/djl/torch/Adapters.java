package ai.molae.djl.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Map;

/**
 * Low-rank adapters (LoRA, Hu et al., arXiv 2106.09685) among the arrays of a block, and how they are handed to TorchScript methods. An
 * adapted matrix {@code W [b, a]} multiplies as
 *
 * <pre>
 *   y = W x + s B A x          A [r, a],  B [b, r],  s = alpha / r
 * </pre>
 *
 * and a stack of N matrices has stacks {@code A [N, r, a]} and {@code B [N, b, r]}. Beside parameter {@code W} stand {@code W_lora_a} and
 * {@code W_lora_b}, and one {@code lora_scale} for the block. See {@link AdaptableBlock}.
 */
public final class Adapters {

    /** Bit 25 of the numbers of {@link Gemm}: the matrices are followed by adapters, see {@code common.py}. */
    private static final long FOLLOWED = 1 << 25;

    private static final String SCALE = "lora_scale";

    private Adapters() {}

    /**
     * The name of a parameter's A.
     *
     * @param parameter the name of W
     * @return the name of A
     */
    public static String a(String parameter) {
        return parameter + "_lora_a";
    }

    /**
     * The name of a parameter's B.
     *
     * @param parameter the name of W
     * @return the name of B
     */
    public static String b(String parameter) {
        return parameter + "_lora_b";
    }

    /**
     * Whether a parameter is an adapter's A or B.
     *
     * @param parameter its name or path
     * @return true if so
     */
    public static boolean isAdapter(String parameter) {
        return parameter.endsWith(a("")) || parameter.endsWith(b(""));
    }

    /** Adds the scale to a block's arrays. */
    static void putScale(Map<String, NDArray> arrays, NDArray scale) {
        arrays.put(SCALE, scale);
    }

    /**
     * Whether one of some parameters has an adapter.
     *
     * @param arrays a block's arrays by name
     * @param parameters names of parameters
     * @return true if so
     */
    public static boolean anyOf(Map<String, NDArray> arrays, List<String> parameters) {
        return arrays.containsKey(SCALE) && parameters.stream().anyMatch(name -> arrays.containsKey(a(name)));
    }

    /**
     * The number by which TorchScript methods know that adapters follow the matrices.
     *
     * @param gemm how to multiply, of {@link Gemm#training}
     * @return the number with that added
     */
    public static long followed(long gemm) {
        return gemm | FOLLOWED;
    }

    /**
     * The last argument of a method that takes adapters, a list: the scale {@code []}, A of each parameter, B of each parameter, without
     * elements where there is none.
     *
     * @param scope will own the arrays, which are handles of the block's; autograd flows through
     * @param arrays a block's arrays by name
     * @param parameters the names of the parameters, in the order in which the method has their matrices
     * @return what to pass
     */
    public static NDList list(NDManager scope, Map<String, NDArray> arrays, List<String> parameters) {
        NDList list = new NDList(handle(scope, arrays, SCALE));
        parameters.forEach(name -> list.add(handle(scope, arrays, a(name))));
        parameters.forEach(name -> list.add(handle(scope, arrays, b(name))));
        return TorchArguments.list(list);
    }

    /** A handle of its own, because it is given a name. */
    private static NDArray handle(NDManager scope, Map<String, NDArray> arrays, String name) {
        NDArray array = arrays.getOrDefault(name, TorchArguments.absent());
        NDArray handle = array.toDevice(array.getDevice(), true);
        handle.attach(scope);
        return handle;
    }
}
