package ai.molae.bench.contender;

import ai.molae.bench.contender.OnnxGraph.ElementType;
import ai.molae.bench.workload.LayerCase;
import ai.molae.spec.ParameterShape;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The weights of a {@link LayerCase} as ONNX Runtime's operators read them, in direct buffers: every matrix {@code [out, in]}, gate and up of an expert
 * interleaved, row i of gate before row i of up, which is the only order that the CPU kernels know.
 *
 * <p>Quantised, a weight of an expert is {@code scale · (q - 128)} with {@code scale} the largest magnitude of its output channel over 127; all others
 * stay float32.
 */
final class OnnxRuntimeWeights implements AutoCloseable {

    static final String GATE_UP = "gate_up";
    static final String DOWN = "down";
    static final String GATE_UP_SCALES = "gate_up_scales";
    static final String DOWN_SCALES = "down_scales";

    private static final int ALIGNMENT = 64;
    private static final int ZERO_POINT = 128;
    private static final float LARGEST = 127;

    private final OrtEnvironment environment;
    private final boolean quantised;
    private final Map<String, OnnxTensor> tensors = new LinkedHashMap<>();

    OnnxRuntimeWeights(OrtEnvironment environment, LayerCase layer, boolean quantised) throws OrtException {
        this.environment = environment;
        this.quantised = quantised;
        for (ParameterShape parameter : layer.spec().parameters()) {
            if (parameter.name().equals(GATE_UP) || parameter.name().equals(DOWN)) {
                putExperts(layer, parameter);
            } else {
                FloatBuffer numbers = floats(parameter.size());
                for (int i = 0; i < parameter.shape().get(0); i++) {
                    numbers.put(layer.slice(parameter, i));
                }
                put(parameter.name(), numbers.flip(), shape(parameter));
            }
        }
    }

    private void putExperts(LayerCase layer, ParameterShape parameter) throws OrtException {
        int experts = parameter.shape().get(0);
        int rows = parameter.shape().get(1);
        int width = parameter.shape().get(2);
        FloatBuffer numbers = floats(quantised ? 0 : parameter.size());
        FloatBuffer scales = floats(quantised ? (long) experts * rows : 0);
        ByteBuffer bytes = bytes(quantised ? parameter.size() : 0);
        for (int expert = 0; expert < experts; expert++) {
            float[] matrix = layer.slice(parameter, expert);
            for (int i = 0; i < rows; i++) {
                int row = parameter.name().equals(GATE_UP) ? i / 2 + (i % 2) * (rows / 2) : i;
                if (quantised) {
                    putQuantised(matrix, row * width, width, bytes, scales);
                } else {
                    numbers.put(matrix, row * width, width);
                }
            }
        }
        if (quantised) {
            tensors.put(
                    parameter.name(),
                    OnnxTensor.createTensor(environment, bytes.flip(), shape(parameter), OnnxJavaType.UINT8));
            put(parameter.name() + "_scales", scales.flip(), experts, rows);
        } else {
            put(parameter.name(), numbers.flip(), shape(parameter));
        }
    }

    private static void putQuantised(float[] matrix, int start, int width, ByteBuffer bytes, FloatBuffer scales) {
        float largest = 0;
        for (int i = start; i < start + width; i++) {
            largest = Math.max(largest, Math.abs(matrix[i]));
        }
        float scale = largest == 0 ? 1 : largest / LARGEST;
        for (int i = start; i < start + width; i++) {
            bytes.put((byte) (Math.round(matrix[i] / scale) + ZERO_POINT));
        }
        scales.put(scale);
    }

    /** Adds a tensor of float32. */
    void put(String name, float[] numbers, long... shape) throws OrtException {
        put(name, floats(numbers.length).put(numbers).flip(), shape);
    }

    private void put(String name, FloatBuffer numbers, long... shape) throws OrtException {
        tensors.put(name, OnnxTensor.createTensor(environment, numbers, shape));
    }

    /** Whether the experts' weights are int8. */
    boolean quantised() {
        return quantised;
    }

    /** All tensors by name, which live as long as this. */
    Map<String, OnnxTensor> tensors() {
        return tensors;
    }

    /** Declares them as inputs of a graph. */
    void declare(OnnxGraph graph) {
        tensors.forEach((name, tensor) -> graph.input(
                name,
                tensor.getInfo().type == OnnxJavaType.UINT8 ? ElementType.UINT8 : ElementType.FLOAT,
                tensor.getInfo().getShape()));
    }

    /**
     * Memory at a cache line's start.
     *
     * @throws IllegalArgumentException if it is more than a buffer of Java holds
     */
    static FloatBuffer floats(long count) {
        return bytes(Math.multiplyExact(count, (long) Float.BYTES)).asFloatBuffer();
    }

    private static ByteBuffer bytes(long count) {
        if (count > Integer.MAX_VALUE - 2 * ALIGNMENT) {
            throw new IllegalArgumentException(
                    "a tensor of " + count + " bytes does not fit into a buffer of Java, which holds less than 2 GiB");
        }
        return ByteBuffer.allocateDirect((int) count + 2 * ALIGNMENT)
                .alignedSlice(ALIGNMENT) // which trims both ends
                .slice(0, (int) count)
                .order(ByteOrder.nativeOrder());
    }

    private static long[] shape(ParameterShape parameter) {
        return parameter.shape().stream().mapToLong(Integer::longValue).toArray();
    }

    @Override
    public void close() {
        tensors.values().forEach(OnnxTensor::close);
    }
}
