package ai.molae.bench.report;

import ai.molae.bench.measure.Metric;
import ai.molae.bench.results.Environment;
import ai.molae.bench.results.Result;
import ai.molae.bench.workload.Scale;
import ai.molae.bench.workload.Shape;
import ai.molae.bench.workload.Variant;
import ai.molae.cost.CostModel;
import ai.molae.cost.ElementType;
import ai.molae.cost.LayerCost;
import ai.molae.cost.Roofline;
import com.google.gson.Gson;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/**
 * A run as JMH would write it, with something for every section: times are the roofline's for the cost model's FLOPs and bytes, plus noise out of a
 * seed. Invented numbers, to see and test pages with; they say nothing about any machine.
 */
final class SyntheticRun {

    private static final List<Integer> TOKENS = List.of(1, 4, 16, 64, 256, 512, 1024, 4096);

    private final Random random = new Random(7);
    private final List<Map<String, Object>> results = new ArrayList<>();

    /** JMH's JSON. */
    static String json() {
        SyntheticRun run = new SyntheticRun();
        run.everything();
        return new Gson().toJson(run.results);
    }

    static Environment environment() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("cpu", "Invented CPU @ 3 GHz <not a real one>");
        facts.put("threads", "2");
        facts.put("isa", "avx2 fma avx512f avx512_bf16");
        facts.put("os", "Linux");
        facts.put("jdk", "17");
        facts.put("libtorch", "2.7.1");
        facts.put("molae", "0.1.0");
        facts.put("commit", "0123456");
        facts.put("date", "2026-01-01 00:00 UTC");
        facts.put("gemm BFLOAT16", "inference ONEDNN, training MATMUL");
        return new Environment(facts);
    }

    private void everything() {
        for (Shape shape : Shape.values()) {
            for (Variant variant : List.of(Variant.MOE, Variant.MOLAE)) {
                layer("LayerForward.forward", shape, variant, "BFLOAT16", "BALANCED", 512, "MOLAE", 1);
                layer("LayerDecode.decode", shape, variant, "BFLOAT16", "BALANCED", 1, "MOLAE", 1);
                layer("LayerTraining.step", shape, variant, "FLOAT32", "BALANCED", 512, "MOLAE", 3);
            }
        }
        Shape main = Shape.QWEN3_30B_A3B;
        for (Variant variant : Variant.values()) {
            boolean pair = variant == Variant.MOE || variant == Variant.MOLAE;
            if (!pair) {
                layer("LayerForward.forward", main, variant, "BFLOAT16", "BALANCED", 512, "MOLAE", 1);
                layer("LayerDecode.decode", main, variant, "BFLOAT16", "BALANCED", 1, "MOLAE", 1);
                layer("LayerTraining.step", main, variant, "FLOAT32", "BALANCED", 512, "MOLAE", 3);
            } else {
                for (String precision : List.of("FLOAT32", "INT8")) {
                    layer("LayerForward.forward", main, variant, precision, "BALANCED", 512, "MOLAE", 1);
                    layer("LayerDecode.decode", main, variant, precision, "BALANCED", 1, "MOLAE", 1);
                }
                layer("LayerForward.forward", main, variant, "BFLOAT16", "ZIPF", 512, "MOLAE", 1);
                for (String peer : List.of("NDARRAY_LOOP", "ONNX_RUNTIME", "JAVACPP_PYTORCH")) {
                    layer("LayerForward.forward", main, variant, "FLOAT32", "BALANCED", 512, peer, 1);
                }
            }
            if (pair || variant == Variant.MOLAE_EIGHT) {
                for (int tokens : TOKENS) {
                    if (tokens != 512) {
                        layer("LayerForward.forward", main, variant, "BFLOAT16", "BALANCED", tokens, "MOLAE", 1);
                    }
                }
            }
        }
        for (String load : List.of("BALANCED", "ZIPF")) {
            for (String part : List.of("route", "dispatch")) {
                add(
                        "layer.RoutingDispatch." + part,
                        Map.of(
                                "shape",
                                main.name(),
                                "scale",
                                "SMALL",
                                "variant",
                                "MOE",
                                "precision",
                                "BFLOAT16",
                                "load",
                                load,
                                "tokens",
                                "512",
                                "implementation",
                                "MOLAE"),
                        part.equals("route") ? 0.6 : 1.4,
                        Map.of(Metric.TOKENS, 512.0));
            }
        }
        for (String variant : List.of("MOE", "MOLAE")) {
            double share = variant.equals("MOE") ? 1 : 0.7;
            for (String model : List.of("ModelPrefill.prefill", "ModelDecode.decode", "ModelTraining.step")) {
                double tokens = model.contains("Decode") ? 1 : 128;
                add(
                        "model." + model,
                        Map.of(
                                "shape",
                                "PAPER",
                                "variant",
                                variant,
                                "precision",
                                "FLOAT32",
                                "tokens",
                                "" + (int) tokens),
                        share * (tokens + 20),
                        Map.of(
                                Metric.TOKENS, tokens,
                                Metric.FLOPS, share * tokens * 2e8,
                                Metric.PARAMETERS, share * 1e8,
                                Metric.WEIGHT_BYTES, share * 4e8,
                                Metric.RETAINED_BYTES, share * 4.1e8,
                                Metric.PEAK_BYTES, share * 5e8));
            }
        }
        for (String method : List.of("SVD", "ALTERNATING")) {
            add("model.LayerConversion.convert", Map.of("shape", main.name(), "method", method), 900, Map.of());
        }
        add("model.CheckpointLoad.load", Map.of("format", "safetensors"), 310, Map.of(Metric.PEAK_BYTES, 5e8));
        add("other.Unheard.of", Map.of("size, \"quoted\"", "1,5"), 3, Map.of());
        results.add(jmh(
                "ai.molae.bench.layer.LayerForward.forward",
                Map.of("shape", "BROKEN", "tokens", "7"),
                List.of(),
                Map.of()));
    }

    private void layer(
            String benchmark,
            Shape shape,
            Variant variant,
            String precision,
            String load,
            int tokens,
            String implementation,
            int passes) {
        LayerCost cost = CostModel.layer(variant.of(shape.standard(Scale.SMALL)));
        ElementType type = ElementType.valueOf(precision);
        double peak = type == ElementType.BFLOAT16 ? 400e9 : type == ElementType.INT8 ? 300e9 : 150e9;
        double flops = passes * tokens * cost.forwardFlops();
        double read = passes * cost.decodeBytes(type, tokens);
        double slower = implementation.equals("MOLAE") ? 1.3 : 2 + implementation.length() / 8.0;
        double seconds =
                slower * (load.equals("ZIPF") ? 1.2 : 1) * new Roofline(peak, 30e9).seconds(flops, read) + 2e-5;
        double weights = cost.weightBytes(type);
        Map<Metric, Double> metrics = new LinkedHashMap<>();
        metrics.put(Metric.TOKENS, (double) tokens);
        metrics.put(Metric.FLOPS, flops);
        metrics.put(Metric.COUNTED_FLOPS, flops * 1.01);
        metrics.put(Metric.PARAMETERS, (double) cost.parameters());
        metrics.put(Metric.WEIGHT_BYTES, weights);
        metrics.put(Metric.RETAINED_BYTES, weights * (1.01 + 0.02 * random.nextDouble()) + 32.0 * tokens);
        metrics.put(Metric.PEAK_BYTES, weights * (passes + 1) * 1.1);
        metrics.put(Metric.EXPECTED_PEAK_BYTES, weights * (passes + 1));
        metrics.put(Metric.READ_BYTES, read);
        metrics.put(Metric.PEAK_FLOPS, peak);
        metrics.put(Metric.BANDWIDTH, 30e9);
        metrics.put(Metric.ERROR, type == ElementType.FLOAT32 ? 3e-6 : 6e-3);
        Map<String, String> params = new TreeMap<>(Map.of(
                "shape",
                shape.name(),
                "scale",
                "SMALL",
                "variant",
                variant.name(),
                "precision",
                precision,
                "load",
                load,
                "tokens",
                String.valueOf(tokens),
                "implementation",
                implementation));
        if (passes == 3) {
            params.put("recompute", "false");
        }
        add("layer." + benchmark, params, seconds * 1e3, metrics);
    }

    private void add(String benchmark, Map<String, String> params, double milliseconds, Map<Metric, Double> metrics) {
        List<Double> values = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            values.add(milliseconds * (1 + 0.05 * random.nextDouble()));
        }
        results.add(jmh("ai.molae.bench." + benchmark, params, values, metrics));
    }

    private static Map<String, Object> jmh(
            String benchmark, Map<String, String> params, List<Double> values, Map<Metric, Double> metrics) {
        Map<String, Object> secondary = new TreeMap<>();
        metrics.forEach((metric, value) -> secondary.put(
                metric.key(),
                Map.of("score", value, "scoreUnit", metric.unit(), "rawData", List.of(List.of(value, value)))));
        Map<String, Object> primary = new LinkedHashMap<>();
        primary.put("scoreUnit", Result.MILLISECONDS);
        primary.put(
                "rawData",
                values.isEmpty() ? List.of() : List.of(values.subList(0, 3), values.subList(3, values.size())));
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("benchmark", benchmark);
        result.put("mode", "avgt");
        result.put("params", params);
        result.put("primaryMetric", primary);
        result.put("secondaryMetrics", secondary);
        return result;
    }
}
