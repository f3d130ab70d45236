package ai.molae.bench;

import ai.djl.ndarray.NDArray;
import ai.molae.djl.moe.MoeBlock;
import ai.molae.djl.torch.NoGrad;
import ai.molae.spec.MoeSpec;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.function.IntFunction;

/**
 * One mixture-of-experts layer run by ONNX Runtime's CPU operator {@code com.microsoft.MoE}, float32.
 *
 * <p>For each token {@code x} with router logits {@code l}, {@code p = softmax(l)}, and
 * {@code S} the {@code K} experts of largest {@code p}:
 *
 * <pre>
 *   y = sum over e in S of  w_e * Down_e( silu(Gate_e x) * (Up_e x) )
 *   w_e = p_e,  or  p_e / (sum over S of p)  when normTopkProb
 * </pre>
 *
 * <p>The operator computes the softmax, the selection and the weighting itself. The weights are
 * copied once, into direct buffers that it reads in place: the virtual machine's limit on direct
 * memory must allow for them, and each of the two must be smaller than 2 GiB. Not thread-safe.
 */
final class OnnxRuntimeMoe implements AutoCloseable {
    private static final String INPUT = "input";
    private static final String ROUTER = "router";
    private static final String OUTPUT = "output";
    private static final String FC1 = "fc1";
    private static final String FC2 = "fc2";
    private static final int FLOAT = 1;
    private static final int ANY = -1;

    private final int hidden;
    private final int experts;
    private final OrtEnvironment environment;
    private final OnnxTensor fc1;
    private final OnnxTensor fc2;
    private final OrtSession session;

    /**
     * Loads the weights and opens a session.
     *
     * @param n            hidden size
     * @param m            intermediate size of one expert
     * @param numExperts   number of experts, N
     * @param topK         experts per token, K
     * @param normTopkProb whether the K routing weights of a token are rescaled to sum to 1
     * @param gateUp       for expert e, [2m, n] row-major: the m gate rows, then the m up rows
     * @param down         for expert e, [n, m] row-major
     * @param threads      intra-op threads, the calling one included
     */
    OnnxRuntimeMoe(
            int n,
            int m,
            int numExperts,
            int topK,
            boolean normTopkProb,
            IntFunction<float[]> gateUp,
            IntFunction<float[]> down,
            int threads)
            throws OrtException {
        hidden = n;
        experts = numExperts;
        environment = OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR, "moe");
        // The CPU kernel knows only swiglu_fusion = 1: gate row i at row 2i, up row i at row 2i + 1.
        FloatBuffer first = allocate(Math.multiplyExact((long) numExperts * 2 * m, (long) n));
        FloatBuffer second = allocate(Math.multiplyExact((long) numExperts * n, (long) m));
        for (int e = 0; e < numExperts; e++) {
            float[] rows = checked(gateUp.apply(e), 2L * m * n);
            for (int i = 0; i < m; i++) {
                first.put(rows, i * n, n).put(rows, (m + i) * n, n);
            }
            second.put(checked(down.apply(e), (long) n * m));
        }
        fc1 = OnnxTensor.createTensor(environment, first.flip(), new long[] {numExperts, 2L * m, n});
        fc2 = OnnxTensor.createTensor(environment, second.flip(), new long[] {numExperts, n, m});
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
            options.setIntraOpNumThreads(threads);
            options.setInterOpNumThreads(1);
            options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
            session = environment.createSession(model(n, m, numExperts, topK, normTopkProb), options);
        }
    }

    /**
     * The same layer as a molae block that is not prepared: softmax, top-k, SwiGLU experts, standard.
     *
     * @param block  the block, whose weights are copied
     * @param threads intra-op threads, the calling one included
     * @return the layer
     */
    static OnnxRuntimeMoe of(MoeBlock block, int threads) throws OrtException {
        MoeSpec spec = block.spec();
        Map<String, NDArray> parameters = Layers.parameters(block);
        return new OnnxRuntimeMoe(
                spec.hiddenSize(),
                spec.intermediateSize(),
                spec.numExperts(),
                spec.topK(),
                spec.router().normTopkProb(),
                e -> expert(Layers.of(parameters, "gate_up"), e),
                e -> expert(Layers.of(parameters, "down"), e),
                threads);
    }

    private static float[] expert(NDArray stack, int e) {
        try (NDArray matrix = stack.get(e)) {
            return matrix.toFloatArray();
        }
    }

    /**
     * Tokens with their router logits, which the operator does not compute.
     *
     * @param x      tokens, [T, n]
     * @param router the router's weight, [N, n]
     * @return the batch
     */
    Batch batch(NDArray x, NDArray router) throws OrtException {
        try (NoGrad noGrad = new NoGrad();
                NDArray transposed = router.transpose();
                NDArray logits = x.matMul(transposed)) {
            return new Batch(Math.toIntExact(x.getShape().get(0)), x.toFloatArray(), logits.toFloatArray());
        }
    }

    /** Inputs and output of a run, in native memory that is read and written in place. */
    final class Batch implements AutoCloseable {
        private final OnnxTensor input;
        private final OnnxTensor router;
        private final OnnxTensor output;
        private final FloatBuffer outputMemory;

        private Batch(int tokens, float[] x, float[] logits) throws OrtException {
            input = tensor(x, tokens, hidden);
            router = tensor(logits, tokens, experts);
            outputMemory = allocate((long) tokens * hidden);
            output = OnnxTensor.createTensor(environment, outputMemory, new long[] {tokens, hidden});
        }

        private OnnxTensor tensor(float[] values, int rows, int columns) throws OrtException {
            FloatBuffer memory = allocate(values.length).put(values).flip();
            return OnnxTensor.createTensor(environment, memory, new long[] {rows, columns});
        }

        /** Runs the layer. */
        void run() {
            try {
                session.run(Map.of(INPUT, input, ROUTER, router, FC1, fc1, FC2, fc2), Map.of(OUTPUT, output))
                        .close();
            } catch (OrtException e) {
                throw new IllegalStateException(e);
            }
        }

        /** What the last run wrote, [T, n] row-major. */
        float[] output() {
            float[] values = new float[outputMemory.capacity()];
            outputMemory.clear().get(values);
            return values;
        }

        @Override
        public void close() {
            input.close();
            router.close();
            output.close();
        }
    }

    /** Frees the session and the weights; the process-wide ONNX Runtime environment stays. */
    @Override
    public void close() throws OrtException {
        session.close();
        fc1.close();
        fc2.close();
    }

    private static FloatBuffer allocate(long floats) {
        int bytes = Math.toIntExact(Math.addExact(Math.multiplyExact(floats, (long) Float.BYTES), 2 * 63L));
        return ByteBuffer.allocateDirect(bytes)
                .alignedSlice(64) // which trims both ends
                .order(ByteOrder.nativeOrder())
                .asFloatBuffer()
                .slice(0, (int) floats);
    }

    private static float[] checked(float[] values, long length) {
        if (values.length != length) {
            throw new IllegalArgumentException("expected " + length + " values, got " + values.length);
        }
        return values;
    }

    /**
     * A model of one MoE node. The weights are inputs of the graph: the kernel does not prepack
     * constant ones, and the session would copy them.
     */
    private static byte[] model(int n, int m, int numExperts, int topK, boolean normTopkProb) {
        Message node = new Message();
        for (String name : new String[] {INPUT, ROUTER, FC1, "", FC2}) { // "": no fc1 bias
            node.put(1, name);
        }
        node.put(2, OUTPUT)
                .put(4, "MoE")
                .put(7, "com.microsoft")
                .put(5, attribute("activation_type", 3).put(4, "swiglu"))
                .put(5, attribute("swiglu_fusion", 2).put(3, 1))
                // swiglu is g * sigmoid(alpha * g) * (u + beta), clamped only if swiglu_limit is given
                .put(5, attribute("activation_alpha", 1).put(2, 1f))
                .put(5, attribute("activation_beta", 1).put(2, 0f))
                .put(5, attribute("k", 2).put(3, topK))
                .put(5, attribute("normalize_routing_weights", 2).put(3, normTopkProb ? 1 : 0));
        Message graph = new Message()
                .put(1, node)
                .put(2, "moe")
                .put(11, tensor(INPUT, ANY, n))
                .put(11, tensor(ROUTER, ANY, numExperts))
                .put(11, tensor(FC1, numExperts, 2L * m, n))
                .put(11, tensor(FC2, numExperts, n, m))
                .put(12, tensor(OUTPUT, ANY, n));
        return new Message()
                .put(1, 8)
                .put(7, graph)
                .put(8, new Message().put(1, "").put(2, 17))
                .put(8, new Message().put(1, "com.microsoft").put(2, 1))
                .bytes
                .toByteArray();
    }

    private static Message attribute(String name, int type) {
        return new Message().put(1, name).put(20, type);
    }

    private static Message tensor(String name, long... dims) {
        Message shape = new Message();
        for (long dim : dims) {
            shape.put(1, dim == ANY ? new Message().put(2, "T") : new Message().put(1, dim));
        }
        return new Message()
                .put(1, name)
                .put(2, new Message().put(1, new Message().put(1, FLOAT).put(2, shape)));
    }

    /** A protocol-buffer message under construction, addressed by field number. */
    private static final class Message {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Message put(int field, long value) {
            return varint(field << 3).varint(value);
        }

        Message put(int field, float value) {
            varint((field << 3) | 5);
            int bits = Float.floatToIntBits(value);
            for (int shift = 0; shift < 32; shift += 8) {
                bytes.write(bits >>> shift);
            }
            return this;
        }

        Message put(int field, String value) {
            return put(field, value.getBytes(StandardCharsets.UTF_8));
        }

        Message put(int field, Message value) {
            return put(field, value.bytes.toByteArray());
        }

        private Message put(int field, byte[] value) {
            varint((field << 3) | 2).varint(value.length).bytes.writeBytes(value);
            return this;
        }

        private Message varint(long value) {
            for (; (value & ~0x7FL) != 0; value >>>= 7) {
                bytes.write((int) ((value & 0x7F) | 0x80));
            }
            bytes.write((int) value);
            return this;
        }
    }
}
