package ai.molae.bench.measure;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalDouble;

/**
 * FLOPs of a call, counted from the operators that libtorch ran and the shapes they ran on: {@code 2·M·N·K} for every product of {@code [M, K]} and
 * {@code [K, N]}. Independent of any cost model. Products only: additions, activations and the scores of fused attention are not counted, as in
 * the cost model's layers. Rows that a kernel was given in excess, to fill them up, are counted, because they were computed.
 *
 * <p>The operators are those of libtorch's profiler, which sees what the calling thread runs in DJL's libtorch and nothing else.
 */
public final class OperatorFlops {

    /** Operators that may multiply matrices: known, callers of known ones, or to be refused. */
    private static final String SUSPECT =
            ".*::.*(mm|mv|linear|matmul|einsum|conv|dot|lstm|gru).*|.*::(dot|vdot|inner|outer|ger).*";

    /** Prepare a product or only have such a name. */
    private static final String HARMLESS = ".*(pack|reorder|scaled_dot_product|common|comm_|clamp|upsample).*";

    /**
     * An operator that ran.
     *
     * @param name with its namespace
     * @param start in microseconds
     * @param end in microseconds
     * @param shapes of what it was called with, empty for what is no array
     */
    private record Operator(String name, double start, double end, List<List<Long>> shapes) {

        boolean suspect() {
            return name.matches(SUSPECT) && !name.matches(HARMLESS);
        }

        /** TorchScript's interpreter shows its whole stack, whose last entries are the arguments. */
        List<Long> argument(int number, int count) {
            return shapes.get(shapes.size() - count + number);
        }

        boolean within(Operator caller) {
            return start >= caller.start && end <= caller.end;
        }
    }

    private OperatorFlops() {}

    /**
     * Counts the call's FLOPs and states them as {@link Metric#COUNTED_FLOPS} of the trial, if they can be told.
     *
     * @param call what to count, run twice
     */
    public static void state(Runnable call) {
        count(call).ifPresent(flops -> Trial.put(Metric.COUNTED_FLOPS, flops));
    }

    /**
     * Runs a call on this thread, once for itself, because a first call may choose kernels by trying them, and once under the profiler.
     *
     * @param call what to count, run twice
     * @return its FLOPs; empty if it runs no product in DJL's libtorch, or one with FBGEMM's float16 weights, whose shapes nobody tells
     * @throws IllegalStateException if it ran a product of a kind that is not known here
     */
    public static OptionalDouble count(Runnable call) {
        Engine.getEngine("PyTorch"); // loads the profiler
        call.run();
        try {
            Path trace = Files.createTempFile("operators", ".json");
            try {
                JniUtils.startProfile(false, true, false);
                try {
                    call.run();
                } finally {
                    JniUtils.stopProfile(trace.toString());
                }
                try (Reader reader = Files.newBufferedReader(trace)) {
                    return sum(JsonParser.parseReader(reader).getAsJsonArray());
                }
            } finally {
                Files.delete(trace);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot keep the trace of libtorch's profiler", e);
        }
    }

    /** The FLOPs of a Chrome trace. */
    static OptionalDouble sum(JsonArray trace) {
        List<Operator> operators = new ArrayList<>();
        for (JsonElement event : trace) {
            if (event.getAsJsonObject().has("shape")) {
                operators.add(operator(event.getAsJsonObject()));
            }
        }
        operators.sort(Comparator.comparingDouble(Operator::start)
                .thenComparing(Comparator.comparingDouble(Operator::end).reversed()));
        boolean known = false;
        double flops = 0;
        for (int i = 0; i < operators.size(); i++) {
            if (operators.get(i).suspect() && !callsAnother(operators, i)) {
                if (operators.get(i).name().equals("quantized::linear_dynamic_fp16")) {
                    return OptionalDouble.empty();
                }
                known = true;
                flops += flops(operators, i);
            }
        }
        return known ? OptionalDouble.of(flops) : OptionalDouble.empty();
    }

    private static Operator operator(JsonObject event) {
        List<List<Long>> shapes = new ArrayList<>();
        for (JsonElement shape : event.getAsJsonArray("shape")) {
            List<Long> sizes = new ArrayList<>();
            shape.getAsJsonArray().forEach(size -> sizes.add(size.getAsLong()));
            shapes.add(List.copyOf(sizes));
        }
        double start = event.get("ts").getAsDouble();
        return new Operator(
                event.get("name").getAsString(), start, start + event.get("dur").getAsDouble(), List.copyOf(shapes));
    }

    /** matmul calls mm: only the innermost multiplies. */
    private static boolean callsAnother(List<Operator> operators, int caller) {
        for (int i = caller + 1;
                i < operators.size()
                        && operators.get(i).start() < operators.get(caller).end();
                i++) {
            if (operators.get(i).suspect() && operators.get(i).within(operators.get(caller))) {
                return true;
            }
        }
        return false;
    }

    private static double flops(List<Operator> operators, int index) {
        Operator operator = operators.get(index);
        return switch (operator.name()) {
                // a [.., M, K], b [.., K, N]
            case "aten::mm", "aten::bmm", "aten::_int_mm", "aten::mv", "aten::dot", "aten::vdot" -> product(
                    operator.argument(0, 2), columns(operator.argument(1, 2)));
                // c, a [.., M, K], b [.., K, N], beta, alpha
            case "aten::addmm",
                    "aten::addmm_",
                    "aten::baddbmm",
                    "aten::baddbmm_",
                    "aten::addmv",
                    "aten::addmv_" -> product(operator.argument(1, 5), columns(operator.argument(2, 5)));
                // x [M, K], w [N, K], bias
            case "aten::mkldnn_linear" -> product(
                    operator.argument(0, 3), operator.argument(1, 3).get(0));
                // sizes of the input, gradient [M, N], w [N, K]
            case "aten::mkldnn_linear_backward_input" -> product(
                    operator.argument(1, 3), columns(operator.argument(2, 3)));
                // gradient [M, N], x [M, K], w, whether there is a bias
            case "aten::mkldnn_linear_backward_weights" -> product(
                    operator.argument(0, 4), columns(operator.argument(1, 4)));
                // x [M, K], w [N, K], bias, attribute, scalars, algorithm
            case "mkldnn::_linear_pointwise" -> product(
                    operator.argument(0, 6), operator.argument(1, 6).get(0));
                // x [M, K], scale, zero point, packed weight
            case "quantized::linear_with_input_q_dq_qweight_dq_output_fp32" -> product(
                    operator.argument(0, 4),
                    outputWidth(operators, index, operator.argument(0, 4).get(0)));
            default -> throw new IllegalStateException("the FLOPs of operator " + operator.name() + " on "
                    + operator.shapes() + " are not known; add it to OperatorFlops");
        };
    }

    /** {@code 2·M·K·N} for the first factor [.., M, K]. */
    private static double product(List<Long> first, long columns) {
        return 2.0 * first.stream().mapToDouble(Long::doubleValue).reduce(1, (a, b) -> a * b) * columns;
    }

    /** N of the second factor [.., K, N]; of a vector 1. */
    private static long columns(List<Long> second) {
        return second.size() > 1 ? second.get(second.size() - 1) : 1;
    }

    /** A packed weight hides its shape, but FBGEMM makes a buffer like its result [rows, N]. */
    private static long outputWidth(List<Operator> operators, int index, long rows) {
        Operator product = operators.get(index);
        for (Operator inner : operators.subList(index + 1, operators.size())) {
            if (inner.name().equals("aten::empty_like") && inner.within(product)) {
                List<Long> result = inner.shapes().get(0);
                if (result.size() == 2 && result.get(0) == rows) {
                    return result.get(1);
                }
            }
        }
        throw new IllegalStateException(product.name() + " on " + rows + " rows made no buffer like its result");
    }
}
