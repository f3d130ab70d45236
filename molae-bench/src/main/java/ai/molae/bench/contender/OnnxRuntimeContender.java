package ai.molae.bench.contender;

import static ai.molae.bench.contender.OnnxRuntimeWeights.DOWN;
import static ai.molae.bench.contender.OnnxRuntimeWeights.DOWN_SCALES;
import static ai.molae.bench.contender.OnnxRuntimeWeights.GATE_UP;
import static ai.molae.bench.contender.OnnxRuntimeWeights.GATE_UP_SCALES;

import ai.molae.bench.contender.OnnxGraph.ElementType;
import ai.molae.bench.workload.LayerCase;
import ai.molae.djl.torch.Precision;
import ai.molae.spec.Activation;
import ai.molae.spec.MoeSpec;
import ai.molae.spec.RouterSpec;
import ai.molae.spec.ScoreFunction;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A standard layer as an ONNX graph around ONNX Runtime's CPU operator {@code com.microsoft.MoE}, float32, or {@code com.microsoft.QMoE}, int8 weights with a
 * scale for each output channel:
 *
 * <pre>
 *   l = x W_routerᵀ                                         Gemm
 *   y = Σ_{i in top K} w_i A_down^i (silu(g_i) ⊙ u_i)       MoE: softmax, choice, SwiGLU experts, weighting
 *   y = routedScalingFactor · y + [sigmoid(x w)] shared(x)  Mul, Gemm, Split, Sigmoid, Add; where the layer has it
 * </pre>
 *
 * <p>The operator's softmax over all experts, divided by the sum over the chosen, is the softmax over the chosen. Weights are inputs of the graph,
 * which the operator reads in place: the session would copy constants, and the kernel does not pack them. They and the tokens lie in direct buffers, so the
 * virtual machine's {@code -XX:MaxDirectMemorySize} must allow for them.
 *
 * <p>As many threads as {@code OMP_NUM_THREADS} says, or else as there are processors: libtorch's rule.
 */
final class OnnxRuntimeContender implements Contender {

    private static final String INPUT = "x";
    private static final String OUTPUT = "y";
    private static final String ROUTER = "router";
    private static final String SCALE = "scale";
    private static final int INT8_BITS = 8;

    private final int hidden;
    private final OrtEnvironment environment;
    private final OnnxRuntimeWeights weights;
    private final OrtSession session;
    private final FloatBuffer result;
    private final OnnxTensor output;
    private final OnnxTensor[] inputs = new OnnxTensor[INPUTS];

    OnnxRuntimeContender(LayerCase layer, Precision precision) {
        MoeSpec spec = layer.spec();
        refusal(spec, precision).ifPresent(why -> {
            throw new IllegalArgumentException(why);
        });
        hidden = spec.hiddenSize();
        environment = environment();
        try {
            weights = new OnnxRuntimeWeights(environment, layer, precision == Precision.INT8);
            if (spec.router().routedScalingFactor() != 1) {
                weights.put(SCALE, new float[] {(float) spec.router().routedScalingFactor()}, 1);
            }
            session = session(graph(spec, weights).model());
            for (int i = 0; i < INPUTS; i++) {
                float[] numbers = layer.input(i);
                FloatBuffer memory =
                        OnnxRuntimeWeights.floats(numbers.length).put(numbers).flip();
                inputs[i] = OnnxTensor.createTensor(environment, memory, new long[] {layer.tokens(), hidden});
            }
            result = OnnxRuntimeWeights.floats((long) layer.tokens() * hidden);
            output = OnnxTensor.createTensor(environment, result, new long[] {layer.tokens(), hidden});
        } catch (OrtException e) {
            throw new IllegalStateException("ONNX Runtime does not open " + layer, e);
        }
    }

    /** ONNX Runtime itself, loaded; one for the process. */
    static OrtEnvironment environment() {
        return OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR, "molae");
    }

    /** Why the operators cannot run a layer; empty if they can. Opens nothing. */
    static Optional<String> refusal(MoeSpec spec, Precision precision) {
        RouterSpec router = spec.router();
        Optional<String> reason = Optional.empty();
        if (precision != Precision.FLOAT32 && precision != Precision.INT8) {
            reason = Optional.of("they have no CPU kernel with weights in " + precision + ", only FLOAT32 and INT8");
        } else if (spec.latent().isPresent()) {
            reason = Optional.of("they have dense experts only, this layer is latent in some operators");
        } else if (!spec.gated() || spec.activation() != Activation.SILU) {
            reason = Optional.of("this graph has gated experts with SILU, the layer "
                    + (spec.gated() ? "gated" : "ungated") + " ones with " + spec.activation());
        } else if (router.scoreFunction() == ScoreFunction.SIGMOID) {
            reason = Optional.of("they route by softmax, this layer by " + router.scoreFunction());
        } else if (router.correctionBias() || router.nGroup() > 1) {
            reason = Optional.of("they take the K largest probabilities, this router has "
                    + (router.nGroup() > 1 ? router.nGroup() + " groups" : "a correction bias"));
        } else if (router.hasCapacity()) {
            reason = Optional.of("they drop no tokens, the router has capacity factor " + router.capacityFactor());
        }
        return reason.map(why -> "ONNX Runtime's MoE operators cannot run this layer: " + why);
    }

    private OrtSession session(byte[] model) throws OrtException {
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
            options.setIntraOpNumThreads(threads());
            options.setInterOpNumThreads(1);
            options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
            return environment.createSession(model, options);
        }
    }

    private static int threads() {
        String wanted = System.getenv("OMP_NUM_THREADS");
        return wanted != null && wanted.matches("[1-9]\\d{0,3}")
                ? Integer.parseInt(wanted)
                : Runtime.getRuntime().availableProcessors();
    }

    private static OnnxGraph graph(MoeSpec spec, OnnxRuntimeWeights weights) {
        OnnxGraph graph = new OnnxGraph().input(INPUT, ElementType.FLOAT, OnnxGraph.TOKENS, spec.hiddenSize());
        weights.declare(graph);
        product(graph, INPUT, ROUTER, "logits");
        String experts = "experts";
        boolean normalised =
                spec.router().normTopkProb() || spec.router().scoreFunction() == ScoreFunction.SOFTMAX_OVER_CHOSEN;
        OnnxMessage[] attributes = {
            OnnxGraph.attribute("activation_type", "swiglu"),
            OnnxGraph.attribute("swiglu_fusion", 1L),
            // g · sigmoid(alpha · g) · (u + beta), clamped only where there is a swiglu_limit
            OnnxGraph.attribute("activation_alpha", 1f),
            OnnxGraph.attribute("activation_beta", 0f),
            OnnxGraph.attribute("k", spec.topK()),
            OnnxGraph.attribute("normalize_routing_weights", normalised ? 1L : 0L)
        };
        // "": absent
        if (weights.quantised()) {
            // Without weights of its own, QMoE takes the softmax over the chosen, whatever its attribute says.
            graph.node("Softmax", List.of("logits"), List.of("probabilities"), OnnxGraph.attribute("axis", 1L));
            OnnxMessage[] quantised = Arrays.copyOf(attributes, attributes.length + 1);
            quantised[attributes.length] = OnnxGraph.attribute("expert_weight_bits", INT8_BITS);
            graph.runtimeNode(
                    "QMoE",
                    List.of(
                            INPUT,
                            "logits",
                            GATE_UP,
                            GATE_UP_SCALES,
                            "",
                            DOWN,
                            DOWN_SCALES,
                            "",
                            "",
                            "",
                            "",
                            "",
                            "",
                            "",
                            "probabilities"),
                    experts,
                    quantised);
        } else {
            graph.runtimeNode("MoE", List.of(INPUT, "logits", GATE_UP, "", DOWN), experts, attributes);
        }
        if (spec.router().routedScalingFactor() != 1) {
            graph.node("Mul", List.of(experts, SCALE), List.of("scaled"));
            experts = "scaled";
        }
        if (spec.sharedExpert().isPresent()) {
            String shared = shared(graph, spec.sharedExpert().get().sigmoidGated());
            graph.node("Add", List.of(experts, shared), List.of(OUTPUT));
        } else {
            graph.node("Identity", List.of(experts), List.of(OUTPUT));
        }
        return graph.output(OUTPUT, ElementType.FLOAT, OnnxGraph.TOKENS, spec.hiddenSize());
    }

    private static String shared(OnnxGraph graph, boolean sigmoidGated) {
        product(graph, INPUT, "shared_gate_up", "s_gate_up");
        graph.node("Split", List.of("s_gate_up"), List.of("s_gate", "s_up"), OnnxGraph.attribute("axis", 1L));
        graph.node("Sigmoid", List.of("s_gate"), List.of("s_sigmoid"));
        graph.node("Mul", List.of("s_gate", "s_sigmoid"), List.of("s_silu"));
        graph.node("Mul", List.of("s_silu", "s_up"), List.of("s_hidden"));
        product(graph, "s_hidden", "shared_down", "s_output");
        if (!sigmoidGated) {
            return "s_output";
        }
        product(graph, INPUT, "shared_gate", "s_score");
        graph.node("Sigmoid", List.of("s_score"), List.of("s_weight"));
        graph.node("Mul", List.of("s_output", "s_weight"), List.of("s_weighted"));
        return "s_weighted";
    }

    /** {@code output = input · weightᵀ}. */
    private static void product(OnnxGraph graph, String input, String weight, String output) {
        graph.node("Gemm", List.of(input, weight), List.of(output), OnnxGraph.attribute("transB", 1L));
    }

    @Override
    public void forward(int call) {
        run(call % INPUTS);
    }

    @Override
    public float[] output(int input) {
        run(input);
        float[] numbers = new float[result.capacity()];
        result.clear().get(numbers);
        return numbers;
    }

    private void run(int input) {
        Map<String, OnnxTensor> feeds = new HashMap<>(weights.tensors());
        feeds.put(INPUT, inputs[input]);
        try {
            session.run(feeds, Map.of(OUTPUT, output)).close();
        } catch (OrtException e) {
            throw new IllegalStateException("ONNX Runtime does not run the layer", e);
        }
    }

    /** Frees the session and the tensors; the process-wide ONNX Runtime environment stays, buffers go with the next collection. */
    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException e) {
            throw new IllegalStateException(e);
        }
        output.close();
        for (OnnxTensor input : inputs) {
            input.close();
        }
        weights.close();
    }
}
