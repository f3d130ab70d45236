package ai.molae.bench.report;

import ai.molae.bench.results.Result;
import java.util.Map;
import java.util.TreeMap;

/** What constants are called in a report, and their colours, the same in all charts. What is not known keeps its own name. */
final class Names {

    /** Colour of what a model expects, and of what is measured. */
    static final int EXPECTED_COLOUR = 7;

    static final int MEASURED_COLOUR = 0;

    private static final Map<String, String> NAMES = Map.ofEntries(
            Map.entry("MIXTRAL_8X7B", "Mixtral 8x7B"),
            Map.entry("QWEN1_5_MOE_A2_7B", "Qwen1.5 MoE A2.7B"),
            Map.entry("QWEN3_30B_A3B", "Qwen3 30B-A3B"),
            Map.entry("OLMOE_1B_7B", "OLMoE 1B-7B"),
            Map.entry("DEEPSEEK_V2_LITE", "DeepSeek-V2-Lite"),
            Map.entry("DEEPSEEK_V3", "DeepSeek-V3"),
            Map.entry("MOONLIGHT_16B_A3B", "Moonlight 16B-A3B"),
            Map.entry("PAPER", "MoLAE paper"),
            Map.entry("AWKWARD", "awkward sizes"),
            Map.entry("DENSE", "dense"),
            Map.entry("MOE", "MoE"),
            Map.entry("MOLAE", "MoLAE"),
            Map.entry("MOLAE_QUARTER", "MoLAE k=N/4"),
            Map.entry("MOLAE_EIGHT", "MoLAE k=8"),
            Map.entry("MOLAE_TIED", "MoLAE tied"),
            Map.entry("MOLAE_QUARTER_TIED", "MoLAE k=N/4 tied"),
            Map.entry("MOLAE_EIGHT_TIED", "MoLAE k=8 tied"),
            Map.entry("LATENT_MOE", "LatentMoE"),
            Map.entry("FLOAT32", "float32"),
            Map.entry("BFLOAT16", "bfloat16"),
            Map.entry("FLOAT16", "float16"),
            Map.entry("INT8", "int8"),
            Map.entry("BALANCED", "balanced"),
            Map.entry("ZIPF", "Zipf"),
            Map.entry("NDARRAY_LOOP", "NDArray loop"),
            Map.entry("ONNX_RUNTIME", "ONNX Runtime"),
            Map.entry("JAVACPP_PYTORCH", "JavaCPP PyTorch"));

    private static final Map<String, Integer> VARIANT_COLOURS = Map.of(
            "MOLAE", 0,
            "MOE", 1,
            "MOLAE_TIED", 2,
            "MOLAE_EIGHT_TIED", 3,
            "MOLAE_QUARTER", 4,
            "LATENT_MOE", 5,
            "MOLAE_EIGHT", 6,
            "DENSE", 7,
            "MOLAE_QUARTER_TIED", 8);

    private static final Map<String, Integer> IMPLEMENTATION_COLOURS =
            Map.of("MOLAE", 0, "NDARRAY_LOOP", 1, "ONNX_RUNTIME", 2, "JAVACPP_PYTORCH", 3);

    private Names() {}

    static String of(String constant) {
        return NAMES.getOrDefault(constant, constant);
    }

    /** Who computes; molae's constant is also a variant's. */
    static String implementation(String constant) {
        return constant.equals("MOLAE") ? "molae" : of(constant);
    }

    static int variantColour(String variant) {
        return VARIANT_COLOURS.getOrDefault(variant, 7);
    }

    static int implementationColour(String implementation) {
        return IMPLEMENTATION_COLOURS.getOrDefault(implementation, 7);
    }

    /** The parameters of a result without some, as they are given to JMH. */
    static String params(Result result, String... without) {
        Map<String, String> params = new TreeMap<>(result.params());
        for (String name : without) {
            params.remove(name);
        }
        StringBuilder text = new StringBuilder();
        params.forEach((name, value) -> text.append(text.length() == 0 ? "" : " ")
                .append(name)
                .append('=')
                .append(value));
        return text.toString();
    }

    /** The values of some parameters that the result has. */
    static String values(Result result, String... names) {
        StringBuilder text = new StringBuilder();
        for (String name : names) {
            String value = result.param(name);
            if (!value.isEmpty()) {
                text.append(text.length() == 0 ? "" : ", ")
                        .append(name.equals("implementation") ? implementation(value) : of(value))
                        .append(name.equals("tokens") ? value.equals("1") ? " token" : " tokens" : "");
            }
        }
        return text.toString();
    }
}
