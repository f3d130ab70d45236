package ai.molae.bench.contender;

import java.util.List;

/** An ONNX graph under construction: nodes in the order of their evaluation. Field numbers are those of onnx.proto. */
final class OnnxGraph {

    /** The dimension that is the number of tokens. */
    static final long TOKENS = -1;

    /** Element types by their numbers in onnx.proto. */
    enum ElementType {
        /** float32. */
        FLOAT(1),
        /** Unsigned bytes. */
        UINT8(2);

        private final int number;

        ElementType(int number) {
            this.number = number;
        }
    }

    private static final int IR_VERSION = 8;
    private static final int OPSET = 17;
    private static final String MICROSOFT = "com.microsoft";

    private final OnnxMessage graph = new OnnxMessage().put(2, "layer");

    /** Adds an input. */
    OnnxGraph input(String name, ElementType type, long... shape) {
        graph.put(11, value(name, type, shape));
        return this;
    }

    /** Adds an output. */
    OnnxGraph output(String name, ElementType type, long... shape) {
        graph.put(12, value(name, type, shape));
        return this;
    }

    /** Adds a standard node; inputs with empty names are absent. */
    OnnxGraph node(String operator, List<String> inputs, List<String> outputs, OnnxMessage... attributes) {
        return node("", operator, inputs, outputs, attributes);
    }

    /** Adds a node of ONNX Runtime's own. */
    OnnxGraph runtimeNode(String operator, List<String> inputs, String output, OnnxMessage... attributes) {
        return node(MICROSOFT, operator, inputs, List.of(output), attributes);
    }

    private OnnxGraph node(
            String domain, String operator, List<String> inputs, List<String> outputs, OnnxMessage... attributes) {
        OnnxMessage node = new OnnxMessage();
        inputs.forEach(name -> node.put(1, name));
        outputs.forEach(name -> node.put(2, name));
        node.put(4, operator).put(7, domain);
        for (OnnxMessage attribute : attributes) {
            node.put(5, attribute);
        }
        graph.put(1, node);
        return this;
    }

    static OnnxMessage attribute(String name, long value) {
        return new OnnxMessage().put(1, name).put(20, 2).put(3, value);
    }

    static OnnxMessage attribute(String name, float value) {
        return new OnnxMessage().put(1, name).put(20, 1).put(2, value);
    }

    static OnnxMessage attribute(String name, String value) {
        return new OnnxMessage().put(1, name).put(20, 3).put(4, value);
    }

    /** The model of this graph. */
    byte[] model() {
        return new OnnxMessage()
                .put(1, IR_VERSION)
                .put(7, graph)
                .put(8, new OnnxMessage().put(1, "").put(2, OPSET))
                .put(8, new OnnxMessage().put(1, MICROSOFT).put(2, 1))
                .toByteArray();
    }

    private static OnnxMessage value(String name, ElementType type, long... shape) {
        OnnxMessage dimensions = new OnnxMessage();
        for (long size : shape) {
            dimensions.put(1, size == TOKENS ? new OnnxMessage().put(2, "T") : new OnnxMessage().put(1, size));
        }
        return new OnnxMessage()
                .put(1, name)
                .put(
                        2,
                        new OnnxMessage()
                                .put(1, new OnnxMessage().put(1, type.number).put(2, dimensions)));
    }
}
